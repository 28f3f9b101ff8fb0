# SPDX-License-Identifier: BSD-3-Clause
# What CRIU knows of lib/image.proto: the fields below 1000.
/ = 1[0-9]{3}[; ]/d
s/^message Image \{/message Criu {/
