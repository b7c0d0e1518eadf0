/* The least a client can do: sends a file's bytes, takes in the reply without looking at it, and does so
 * again. What it reaches is the limit of any client that has to send the same request.
 *
 *     exchange ADDRESS FILE bytes|lines N TIMES
 *
 * ADDRESS is a port of 127.0.0.1 or the path of a Unix socket; a reply has come when N bytes, or N ends of
 * lines, have. Prints the seconds of one exchange: by the wall clock, and of this process's CPU. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 10000

static char received[256 * 1024];

struct request {
    char *bytes;
    size_t size;
};

static void die(const char *what)
{
    fprintf(stderr, "exchange: %s: %s\n", what, errno ? strerror(errno) : "unexpected");
    exit(1);
}

static struct request read_file(const char *path)
{
    struct request r = {0};
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0)
        die(path);
    r.size = (size_t)ftell(file);
    r.bytes = malloc(r.size);
    rewind(file);
    if (!r.bytes || fread(r.bytes, 1, r.size, file) != r.size)
        die(path);
    fclose(file);
    return r;
}

static int connect_tcp(int port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at) != 0)
        die("cannot connect");
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) != 0)
        die("TCP_NODELAY");
    return fd;
}

static int connect_unix(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (strlen(path) >= sizeof at.sun_path)
        die("the path is too long");
    memcpy(at.sun_path, path, strlen(path) + 1);
    if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at) != 0)
        die("cannot connect");
    return fd;
}

static int connect_to(const char *address)
{
    int fd = address[0] == '/' ? connect_unix(address) : connect_tcp(atoi(address));
    if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        die("O_NONBLOCK");
    return fd;
}

/* Zero when the socket would block. */
static size_t moved(ssize_t n)
{
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        die("the connection is lost");
    return (size_t)n;
}

static size_t lines_in(size_t size)
{
    size_t lines = 0;
    for (const char *at = received; (at = memchr(at, '\n', size - (size_t)(at - received))) != NULL; at++)
        lines++;
    return lines;
}

/* Sending and receiving overlap: neither side can wait for the other with full buffers. */
static void exchange(int fd, const struct request *r, bool by_lines, size_t size)
{
    size_t sent = 0, wanted = size;
    while (sent < r->size || wanted > 0) {
        struct pollfd on = {.fd = fd, .events = POLLIN | (sent < r->size ? POLLOUT : 0)};
        if (poll(&on, 1, PATIENCE_MS) <= 0)
            die("the server does not answer");
        if (on.revents & POLLOUT)
            sent += moved(send(fd, r->bytes + sent, r->size - sent, MSG_NOSIGNAL));
        if (on.revents & (POLLIN | POLLHUP | POLLERR)) {
            size_t n = moved(recv(fd, received, sizeof received, 0));
            size_t counted = by_lines ? lines_in(n) : n;
            bool is_error = wanted == size && n > 0 && received[0] == '-';
            if (counted > wanted || is_error)
                die("the server has answered something else");
            wanted -= counted;
        }
    }
}

static double wall_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: %s ADDRESS FILE bytes|lines N TIMES\n", argv[0]);
        return 2;
    }
    int fd = connect_to(argv[1]);
    struct request r = read_file(argv[2]);
    bool by_lines = strcmp(argv[3], "lines") == 0;
    size_t wanted = strtoul(argv[4], NULL, 10);
    int times = atoi(argv[5]);
    double wall = wall_seconds(), cpu = cpu_seconds();
    for (int i = 0; i < times; i++)
        exchange(fd, &r, by_lines, wanted);
    printf("%.9f %.9f\n", (wall_seconds() - wall) / times, (cpu_seconds() - cpu) / times);
    free(r.bytes);
    close(fd);
    return 0;
}
