#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Stands in for the scripts' program of this name, which writes below /proc/sys.

Scripts end by running the program that it leaves behind for them to restore what was before; each
script has its settings to itself here, so there is nothing to restore.
"""
import os
import sys

PREFIX = "/proc/sys/"

with open(os.environ["TERN_SYSCTL_FILE"], "a", encoding="ascii") as out:
    for argument in sys.argv[1:]:
        path, _, value = argument.partition("=")
        if path.startswith(PREFIX):
            name = path[len(PREFIX):].replace("/", ".")
            out.write(f"{name}={value}\n")

restore = f"/tmp/sysctl_restore_{os.environ.get('PACKETDRILL_PID', os.getppid())}.sh"
with open(restore, "w", encoding="ascii") as out:
    out.write('#!/bin/sh\nrm -f "$0"\n')
os.chmod(restore, 0o755)
