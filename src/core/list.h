/* An intrusive doubly linked list: the node lives in the thing, a thing is in at most one list per node.
 *
 *     head <-> first <-> ... <-> last <-> head        an empty list points at itself
 */
#ifndef NGR_LIST_H
#define NGR_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct ngr_node {
    struct ngr_node *prev, *next;
};

struct ngr_list {
    struct ngr_node head;
};

/* The thing that holds `node` as its member `member`. */
#define ngr_of(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline void ngr_list_init(struct ngr_list *l)
{
    l->head.prev = l->head.next = &l->head;
}

static inline void ngr_node_init(struct ngr_node *n)
{
    n->prev = n->next = n;
}

static inline bool ngr_node_is_linked(const struct ngr_node *n)
{
    return n->next != n;
}

static inline bool ngr_list_is_empty(const struct ngr_list *l)
{
    return l->head.next == &l->head;
}

static inline void ngr__link(struct ngr_node *n, struct ngr_node *prev, struct ngr_node *next)
{
    n->prev = prev;
    n->next = next;
    prev->next = n;
    next->prev = n;
}

static inline void ngr_list_push(struct ngr_list *l, struct ngr_node *n)
{
    ngr__link(n, l->head.prev, &l->head);
}

static inline void ngr_list_push_front(struct ngr_list *l, struct ngr_node *n)
{
    ngr__link(n, &l->head, l->head.next);
}

/* Takes a node out of whatever list it is in; fine when it is in none. */
static inline void ngr_node_unlink(struct ngr_node *n)
{
    n->prev->next = n->next;
    n->next->prev = n->prev;
    ngr_node_init(n);
}

static inline struct ngr_node *ngr_list_first(const struct ngr_list *l)
{
    return ngr_list_is_empty(l) ? NULL : l->head.next;
}

static inline struct ngr_node *ngr_list_pop(struct ngr_list *l)
{
    struct ngr_node *n = ngr_list_first(l);
    if (n)
        ngr_node_unlink(n);
    return n;
}

/* Moves everything of `from`, in order, behind what `to` holds. */
static inline void ngr_list_move(struct ngr_list *to, struct ngr_list *from)
{
    if (ngr_list_is_empty(from))
        return;
    struct ngr_node *first = from->head.next, *last = from->head.prev;
    first->prev = to->head.prev;
    to->head.prev->next = first;
    last->next = &to->head;
    to->head.prev = last;
    ngr_list_init(from);
}

#endif
