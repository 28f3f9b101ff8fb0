#include "net_rig.h"
UNIT_CASE(x)
{
}
UNIT_MAIN_EAL(UNIT_RUN(x))
