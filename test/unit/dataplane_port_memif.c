/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane/port_memif.c: what the arguments of a memif say of it. */
#include "unit.h"

#include "dataplane/port_memif.h"

UNIT_CASE(a_frame_fits_into_one_buffer)
{
	CU_ASSERT_EQUAL(port_memif_max_mtu(NULL), 2034);
	CU_ASSERT_EQUAL(port_memif_max_mtu(""), 2034);
	CU_ASSERT_EQUAL(port_memif_max_mtu("role=server,id=0,socket=@x"), 2034);
	CU_ASSERT_EQUAL(port_memif_max_mtu("role=server,bsize=9014,id=0"), 9000);
	CU_ASSERT_EQUAL(port_memif_max_mtu("bsize=1514"), 1500);
	CU_ASSERT_EQUAL(port_memif_max_mtu("rsize=8,bsize=65535"), 65521);
	CU_ASSERT_EQUAL(port_memif_max_mtu("bsize=64,bsize=1514"), 1500);
}

/* Names that only end so, and sizes that leave nothing. */
UNIT_CASE(odd_arguments_do_no_harm)
{
	CU_ASSERT_EQUAL(port_memif_max_mtu("socket=bsize=9014"), 2034);
	CU_ASSERT_EQUAL(port_memif_max_mtu("xbsize=9014"), 2034);
	CU_ASSERT_EQUAL(port_memif_max_mtu("bsize="), 0);
	CU_ASSERT_EQUAL(port_memif_max_mtu("bsize=14"), 0);
	CU_ASSERT_EQUAL(port_memif_max_mtu("bsize=99999999999999999999"), UINT16_MAX);
	CU_ASSERT_EQUAL(port_memif_max_mtu(",,"), 2034);
}

/* As the driver reads them: a client unless it is said, and a server always copies. */
UNIT_CASE(a_client_may_copy_nothing)
{
	CU_ASSERT(!port_memif_copies_nothing(NULL));
	CU_ASSERT(!port_memif_copies_nothing("role=client,id=0"));
	CU_ASSERT(port_memif_copies_nothing("zero-copy=yes"));
	CU_ASSERT(port_memif_copies_nothing("net_memif0,role=client,zero-copy=yes,rsize=8"));
	CU_ASSERT(port_memif_copies_nothing("--vdev=net_memif0,zero-copy=yes"));
	CU_ASSERT(!port_memif_copies_nothing("role=server,zero-copy=yes"));
	CU_ASSERT(!port_memif_copies_nothing("zero-copy=yes,role=master"));
	CU_ASSERT(!port_memif_copies_nothing("zero-copy=yes,zero-copy=no"));
	CU_ASSERT(!port_memif_copies_nothing("socket=zero-copy=yes"));
}

UNIT_MAIN(UNIT_RUN(a_frame_fits_into_one_buffer), UNIT_RUN(odd_arguments_do_no_harm),
	  UNIT_RUN(a_client_may_copy_nothing))
