#ifndef SLIPWAY_ZLIB_H
#define SLIPWAY_ZLIB_H

#include <zlib.h>

#endif
