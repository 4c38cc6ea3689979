#!/bin/sh
# Prints a checksum of all that the suite in the tree $1 is built from, names and contents. What was built carries the one that
# it was built from. Times of files would not do: a clock that was set back makes an edit older than the build before it.
cd "$1" || exit 1
find pom.xml .mvn ./*/pom.xml ./*/*/pom.xml ./*/src/main ./*/*/src/main -type f -exec cksum {} + 2>/dev/null | LC_ALL=C sort | cksum
