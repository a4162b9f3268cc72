/*
 * version.c: which libtenon this is. The number comes from meson.build.
 */
#include "tenon/base.h"

const char *tenon_version(void)
{
    return TENON_VERSION;
}
