/* The public face of the core: life cycle, submitting, cancelling, and who owns what. json.h and loop.h are its
 * two companions; whoever uses the core includes these three and nothing else. */
#ifndef NGR_H
#define NGR_H

#include "buf.h"
#include "mem.h"
#include "status.h"

#endif
