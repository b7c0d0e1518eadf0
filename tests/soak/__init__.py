"""The soak: random calls under random faults, and a checker that knows what every key must hold.

    make soak SECONDS=600 SEED=1

One redis-server with `appendfsync always`; workers (processes with event loops in threads, each loop with several
lanes) that read and write through lines on which faults happen; a watcher that looks for half-written batches.

    plan         what a run consists of: the workers, their keys, their settings, the bounds
    values       what is stored: each value names its key and its generation, under a checksum
    model        what each key may hold, as the README promises it and nothing looser
    operations   the calls: every method, with and without cancellation
    old_style    the class that this project replaces, on redis.asyncio
    worker       one process: rounds of calls, each followed by a look at every key
    watcher      reads whole batches in one step, from outside
    line, faults what goes wrong on the way and on the server
    figures, report   what is counted, and what is said about it
"""
