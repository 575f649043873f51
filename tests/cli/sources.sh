#!/bin/sh
# sources.sh SOURCE_DIR -- a checksum of all that decides what a training gives.
cd "$1" && find ir passes codegen frontend/graph runtime models -type f | LC_ALL=C sort | xargs cat | cksum
