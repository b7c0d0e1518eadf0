/* Where the core's memory comes from, and what the C library does with memory that was given back. */
#ifndef NGR_EXT_ALLOCATOR_H
#define NGR_EXT_ALLOCATOR_H

/* Once in a process, before anything is allocated; more often does no harm. */
void allocator_init(void);

#endif
