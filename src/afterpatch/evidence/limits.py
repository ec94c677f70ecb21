"""Every bound of this package in one place. Sizes in bytes.

The bounds are far above what a real collection holds and far below what hurts: a busy server writes some GB of logs a
month, and such logs compress by 10 to 50.
"""

from __future__ import annotations

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40

MAX_NESTING = 3  # archives inside archives; tar.gz counts as one
MAX_MEMBERS = 500_000  # members of one archive
MAX_FILES = 5_000_000  # files of one evidence source
MAX_FOLDER_DEPTH = 100
MAX_MEMBER_BYTES = 64 * GIB  # one member, expanded
MAX_ARCHIVE_BYTES = 4 * TIB  # all members of one archive, as declared
RATIO_FLOOR = 256 * MIB  # expansion below this is never judged by its ratio
MAX_RATIO = 400  # ten million identical log lines reach about 300, the deflate limit is 1032
MAX_TAR_HEADER = MIB  # one GNU long name or pax header
NESTED_IN_MEMORY = 32 * MIB  # an archive inside an archive is kept in memory up to this
MAX_OPEN_CONTAINERS = 8  # kept open per process

HEAD_BYTES = 4 * KIB  # what a header sniff reads
EXCERPT_BYTES = 64 * KIB  # what is searched for quoted log lines in prose (.txt, .md)
READ_CHUNK = 256 * KIB
SIDE_FILE_BYTES = 64 * MIB  # CopyLog, uploads.json ...
SIDE_FILE_ROWS = 2_000_000
NOTICES_PER_REASON = 50  # of one archive or folder; the rest is summed up in one notice

MAX_NAME = 1024  # characters of one path component
MAX_PATH = 32_767  # characters of a Windows path
