#!/usr/bin/env python3
"""Reads a directory by rustdb-format(5), OUR DIRECTORIES, and by nothing else.

reader.py DIR prints, as one JSON object: the rows of every table as the page says
that they are stored, the content hashes, and the damaged units. It shares no code
with the tools, and needs the standard library alone.
"""

import json
import os
import struct
import sys
import zlib

M64, M128 = 2**64 - 1, 2**128 - 1
PAGE, NONE = 8192, 2**32 - 1


# ---- XXH3, 128 bits ------------------------------------------------------------
SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
    "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364"
    "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e"
    "2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
)
P32 = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D)
P64 = (
    0x9E3779B185EBCA87,
    0xC2B2AE3D27D4EB4F,
    0x165667B19E3779F9,
    0x85EBCA77C2B2AE63,
    0x27D4EB2F165667C5,
)
MX1, MX2 = 0x165667919E3779F9, 0x9FB21C651E98DF25


def u32(data, at=0):
    return int.from_bytes(data[at : at + 4], "little")


def u64(data, at=0):
    return int.from_bytes(data[at : at + 8], "little")


def fold(a, b):
    product = a * b
    return (product & M64) ^ (product >> 64)


def avalanche(h):
    h ^= h >> 37
    h = h * MX1 & M64
    return h ^ h >> 32


def avalanche64(h):
    h ^= h >> 33
    h = h * P64[1] & M64
    h ^= h >> 29
    h = h * P64[2] & M64
    return h ^ h >> 32


def swap(number, width):
    return int.from_bytes(number.to_bytes(width, "little"), "big")


def mix16(data, at, key, seed):
    low = u64(data, at) ^ (u64(SECRET, key) + seed & M64)
    return fold(low, u64(data, at + 8) ^ (u64(SECRET, key + 8) - seed & M64))


def mix32(acc, data, one, two, key, seed):
    low = acc[0] + mix16(data, one, key, seed) & M64
    low ^= u64(data, two) + u64(data, two + 8) & M64
    high = acc[1] + mix16(data, two, key + 16, seed) & M64
    return low, high ^ (u64(data, one) + u64(data, one + 8) & M64)


def finish(acc, length, seed):
    low = acc[0] + acc[1] & M64
    high = acc[0] * P64[0] + acc[1] * P64[3] + (length - seed & M64) * P64[1] & M64
    return avalanche(low), -avalanche(high) & M64


def xxh3(data, seed=0):
    low, high = xxh3_halves(data, seed)
    return low | high << 64


def xxh3_halves(data, seed):
    length = len(data)
    if length == 0:
        return (
            avalanche64(seed ^ u64(SECRET, 64) ^ u64(SECRET, 72)),
            avalanche64(seed ^ u64(SECRET, 80) ^ u64(SECRET, 88)),
        )
    if length < 4:
        low = data[0] << 16 | data[length >> 1] << 24 | data[-1] | length << 8
        high = swap(low, 4)
        high = (high << 13 | high >> 19) & 0xFFFFFFFF
        low ^= (u32(SECRET, 0) ^ u32(SECRET, 4)) + seed & M64
        high ^= (u32(SECRET, 8) ^ u32(SECRET, 12)) - seed & M64
        return avalanche64(low), avalanche64(high)
    if length < 9:
        seed ^= swap(seed & 0xFFFFFFFF, 4) << 32
        whole = u32(data) + (u32(data, length - 4) << 32)
        keyed = whole ^ ((u64(SECRET, 16) ^ u64(SECRET, 24)) + seed & M64)
        product = keyed * (P64[0] + (length << 2))
        low, high = product & M64, product >> 64
        high = high + (low << 1) & M64
        low ^= high >> 3
        low ^= low >> 35
        low = low * MX2 & M64
        return low ^ low >> 28, avalanche(high)
    if length < 17:
        flip_low = (u64(SECRET, 32) ^ u64(SECRET, 40)) - seed & M64
        flip_high = (u64(SECRET, 48) ^ u64(SECRET, 56)) + seed & M64
        first, last = u64(data), u64(data, length - 8)
        product = (first ^ last ^ flip_low) * P64[0]
        low, high = product & M64, product >> 64
        low = low + ((length - 1) << 54) & M64
        last ^= flip_high
        high = high + last + (last & 0xFFFFFFFF) * (P32[1] - 1) & M64
        low ^= swap(high, 8)
        product = low * P64[1]
        high = (product >> 64) + high * P64[1] & M64
        return avalanche(product & M64), avalanche(high)
    if length < 129:
        acc = length * P64[0] & M64, 0
        for n in reversed(range((length - 1) // 32 + 1)):
            acc = mix32(acc, data, 16 * n, length - 16 * n - 16, 32 * n, seed)
        return finish(acc, length, seed)
    if length < 241:
        acc = length * P64[0] & M64, 0
        for n in range(4):
            acc = mix32(acc, data, 32 * n, 32 * n + 16, 32 * n, seed)
        acc = avalanche(acc[0]), avalanche(acc[1])
        for n in range(4, length // 32):
            acc = mix32(acc, data, 32 * n, 32 * n + 16, 3 + 32 * (n - 4), seed)
        acc = mix32(acc, data, length - 16, length - 32, 136 - 17 - 16, -seed & M64)
        return finish(acc, length, seed)
    return xxh3_long(data, seed)


def xxh3_long(data, seed):
    length, secret = len(data), b""
    for at in range(0, 192, 16):
        secret += (u64(SECRET, at) + seed & M64).to_bytes(8, "little")
        secret += (u64(SECRET, at + 8) - seed & M64).to_bytes(8, "little")
    keys = [u64(secret, at) for at in range(0, 185)]
    acc = [P32[2], P64[0], P64[1], P64[2], P64[3], P32[1], P64[4], P32[0]]

    def stripe(at, key):
        for n, value in enumerate(struct.unpack_from("<8Q", data, at)):
            keyed = value ^ keys[key + 8 * n]
            acc[n ^ 1] += value
            acc[n] = acc[n] + (keyed & 0xFFFFFFFF) * (keyed >> 32)
        for n in range(8):
            acc[n] &= M64

    blocks = (length - 1) // 1024
    for block in range(blocks):
        for n in range(16):
            stripe(1024 * block + 64 * n, 8 * n)
        for n in range(8):
            mixed = acc[n] ^ acc[n] >> 47 ^ keys[128 + 8 * n]
            acc[n] = mixed * P32[0] & M64
    for n in range((length - 1 - 1024 * blocks) // 64):
        stripe(1024 * blocks + 64 * n, 8 * n)
    stripe(length - 64, 192 - 64 - 7)

    def merge(key, start):
        for n in range(4):
            one = acc[2 * n] ^ keys[key + 16 * n]
            start += fold(one, acc[2 * n + 1] ^ keys[key + 16 * n + 8])
        return avalanche(start & M64)

    low = merge(11, length * P64[0])
    return low, merge(192 - 64 - 11, ~(length * P64[1]) & M64)


# ---- Bytes -----------------------------------------------------------------------
class Damaged(Exception):
    """A unit, or what describes it, is not whole."""


def need(holds, what):
    if not holds:
        raise Damaged(what)


def crc(*parts):
    sum_ = 0
    for part in parts:
        sum_ = zlib.crc32(part, sum_)
    return sum_


class Cursor:
    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def take(self, length):
        need(length <= len(self.data) - self.at, "the bytes end inside a value")
        self.at += length
        return self.data[self.at - length : self.at]

    def varint(self):
        number = shift = 0
        while True:
            byte = self.take(1)[0]
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                need(number <= M64 and (byte or shift == 7), "a long varint")
                return number
            need(shift < 70, "a long varint")

    def zigzag(self):
        number = self.varint()
        return number >> 1 ^ -(number & 1)

    def bytes(self):
        return self.take(self.varint())

    def text(self):
        try:
            return self.bytes().decode()
        except UnicodeDecodeError:
            raise Damaged("text that is not UTF-8") from None


# ---- Row codec ---------------------------------------------------------------------
NAMES = "Null SmallInt Integer Real Numeric Text Char Boolean Date Timestamp TimestampTz Uuid Json Bytea Enum".split()


def date(packed):
    months, day = divmod(packed + 751440, 31)
    year, month = divmod(months, 12)
    need(0 <= year <= 9999, "a year of more than four digits")
    return f"{year:04}-{month + 1:02}-{day + 1:02}"


def moment(packed):
    day, second = divmod(packed, 86400)
    minute, second = divmod(second, 60)
    return f"{date(day)}T{minute // 60:02}:{minute % 60:02}:{second:02}"


def value(c):
    """A value: its tag, and what it holds."""
    tag = c.take(1)[0]
    need(tag <= 18, "a tag beyond the last one")
    if tag in (1, 2):
        return tag, c.zigzag()
    if tag == 3:
        return tag, c.take(8)
    if tag in (4, 5, 6, 8, 9, 10, 12):
        return tag, c.text()
    if tag in (7, 15):
        return 7, tag == 15
    if tag == 11:
        return tag, c.take(16)
    if tag == 13:
        return tag, c.bytes()
    if tag == 14:
        return tag, (c.text(), c.text())
    if tag == 16:
        return 8, date(c.zigzag())
    if tag == 17:
        return 9, moment(c.zigzag())
    if tag == 18:
        return 10, moment(c.zigzag()) + "Z"
    return tag, None


class Row:
    def __init__(self, c, arity):
        flags = c.take(1)[0]
        need(flags < 2, "a flag that is not known")
        self.xmin = c.varint()
        self.xmax = c.varint() if flags else None
        need(c.varint() == arity, "another number of values")
        self.values = [value(c) for _ in range(arity)]


# ---- Legacy encoding, for hashes -------------------------------------------------------
def blob(data):
    return struct.pack("<Q", len(data)) + data


def text(string):
    return blob(string.encode())


def encode(one):
    tag, held = one
    head = struct.pack("<I", tag)
    if tag == 0:
        return head
    if tag == 1:
        return head + struct.pack("<h", held)
    if tag == 2:
        return head + struct.pack("<q", held)
    if tag == 3:
        return head + held
    if tag == 7:
        return head + bytes([held])
    if tag in (11, 13):
        return head + blob(held)
    if tag == 14:
        return head + text(held[0]) + text(held[1])
    return head + text(held)


TYPES = "small-int integer real numeric serial big-serial text varchar char boolean date timestamp timestamp-tz uuid json jsonb bytea enum".split()


def column(one):
    kind, fields = one["data_type"], b""
    if isinstance(kind, dict):
        ((kind, held),) = kind.items()
        if kind == "numeric":
            fields = bytes([held["precision"], held["scale"]])
        elif kind == "enum":
            labels = b"".join(map(text, held["labels"]))
            fields = text(held["name"]) + struct.pack("<Q", len(held["labels"])) + labels
        else:
            fields = struct.pack("<Q", held)
    out = text(one["name"]) + struct.pack("<I", TYPES.index(kind)) + fields
    out += bytes([one["nullable"], one["primary_key"], one["unique"]])
    key = one["foreign_key"]
    return out + (b"\0" if key is None else b"\1" + text(key["table"]) + text(key["column"]))


# ---- Content hashes --------------------------------------------------------------------
def multiset(hashes):
    return hash16(xxh3(hash16(sum(hashes) & M128) + struct.pack("<Q", len(hashes))))


def hash16(number):
    return number.to_bytes(16, "little")


def listed(things):
    things = sorted(things)
    return struct.pack("<Q", len(things)) + b"".join(map(blob, things))


def privileges(users):
    one = lambda names: listed(text(name.upper()) for name in names)
    return listed(text(user) + one(names) for user, names in users)


def of_values(row):
    return xxh3(struct.pack("<Q", len(row.values)) + b"".join(map(encode, row.values)))


def of_version(row):
    found = xxh3(hash16(of_values(row)), row.xmin)
    return found if row.xmax is None else xxh3(hash16(found), row.xmax)


def of_table(schema, rows):
    out = text(schema["name"]) + struct.pack("<Q", len(schema["columns"]))
    out += b"".join(map(column, schema["columns"]))
    out += listed(text(name) + struct.pack("<q", n) for name, n in schema["sequences"])
    owner = schema["owner"]
    out += bytes([owner is not None]) + text(owner or "")
    visible = multiset([of_values(row) for row in rows if row.xmax is None])
    return xxh3(out + visible), xxh3(out + multiset([of_version(row) for row in rows]))


def of_database(metadata, tables):
    out = text(metadata["name"])
    out += listed(b"".join(map(text, [name, *labels])) for name, labels in metadata["enums"])
    out += listed(text(name) + text(sql) for name, sql in metadata["views"])
    grant = lambda one: text(one["table"]) + text(one["owner"]) + privileges(one["privileges"])
    out += listed(map(grant, metadata["table_grants"]))
    both = ([xxh3(hash16(table[at])) for table in tables] for at in (0, 1))
    return [xxh3(out + multiset(hashes)) for hashes in both]


def of_directory(accounts, databases):
    grant = lambda one: text(one["database"]) + text(one["owner"]) + privileges(one["privileges"])
    user = lambda one: (
        text(one["name"])
        + text(one["password_hash"])
        + bytes([one["is_superuser"], one["can_create_db"], one["can_create_user"]])
        + listed(map(text, one["roles"]))
    )
    role = lambda one: (
        text(one["name"])
        + bytes([one["is_superuser"], one["can_create_db"], one["can_create_role"]])
        + listed(map(text, one["members"]))
        + listed(map(text, one["member_of"]))
    )
    out = listed(map(grant, accounts["grants"]))
    out += listed(map(user, accounts["users"])) + listed(map(role, accounts["roles"]))
    both = ([xxh3(hash16(database[at])) for database in databases] for at in (0, 1))
    return [xxh3(out + multiset(hashes)) for hashes in both]


# ---- A directory -------------------------------------------------------------------------
class Disk:
    """Files of a directory, with the changes of its last batch."""

    def __init__(self, root):
        self.root, self.files = root, {}
        for at, _, names in os.walk(root):
            for name in names:
                path = os.path.join(at, name)
                with open(path, "rb") as file:
                    self.files[os.path.relpath(path, root)] = file.read()

    def read(self, path):
        need(path in self.files, f"{path}: no such file")
        return self.files[path]

    def change(self, c):
        """Makes one change of a batch."""
        tag = c.take(1)[0]
        need(1 <= tag <= 6, "a change that is not known")
        path = c.text()
        if tag == 1:
            offset, data = c.varint(), c.bytes()
            old = self.files.get(path, b"").ljust(offset, b"\0")
            self.files[path] = old[:offset] + data + old[offset + len(data) :]
        elif tag == 2:
            length = c.varint()
            self.files[path] = self.files.get(path, b"")[:length].ljust(length, b"\0")
        elif tag == 3:
            to = c.text()
            if path in self.files:
                self.files[to] = self.files.pop(path)
        elif tag == 4:
            self.files.pop(path, None)


def file_name(name, number):
    """A name of a database or table as a file name."""
    plain = b"abcdefghijklmnopqrstuvwxyz0123456789_-"
    data = name.encode()
    out = "".join(chr(b) if b in plain else f"%{b:02x}" for b in data)
    numbered = len(name) == 4 and name[:3] in ("com", "lpt") and name[3] in "0123456789"
    if name in ("metadata", "con", "prn", "aux", "nul") or numbered:
        out = f"%{data[0]:02x}" + out[1:]
    if len(out) > 200:
        return f"%long-{number}"
    return out or "%empty"


class Control:
    def __init__(self, disk):
        data = disk.read("control")
        need(len(data) == 8192, "control: another length")
        self.damaged, best = [], None
        for slot in (0, 1):
            one = data[4096 * slot : 4096 * slot + 4096]
            try:
                need(one[:8] == b"RDBXCTRL" and u32(one, 4092) == crc(one[:4092]), "checksum")
                need(u32(one, 8) == 1 and u32(one, 4076) == 0, "a later version")
                need(u64(one, 28) % 2 == slot, "the other slot")
            except Damaged as damage:
                self.damaged.append(f"control slot {slot}: {damage}")
                continue
            if best is None or u64(one, 28) > u64(best, 28):
                best = one
        need(best is not None, "control: no whole slot")
        self.cluster = best[12:28]
        self.checkpoint, self.last = u64(best, 36), u64(best, 4080)
        self.layout, self.pages = best[44], u32(best, 4088)
        self.synced, self.first = u64(best, 4052), u64(best, 4060)


def unseal(data, kind, control, database):
    need(data[:8] == b"RDBXSEAL" and len(data) >= 48, "no sealed file")
    end = 44 + u64(data, 36)
    need(end + 4 <= len(data) and u32(data, end) == crc(data[:end]), "checksum")
    need(u32(data, 8) == 1, "a later version")
    need((u32(data, 12), data[16:32], u32(data, 32)) == (kind, control.cluster, database), "another file's")
    return json.loads(data[44:end]), end + 4


def unseal_twice(data, control, database):
    """The document of a descriptor, and what is wrong with one of its copies."""
    problem = None
    for at in range(0, max(len(data), 1), 4096):
        if at == 0 or data[at : at + 8] == b"RDBXSEAL":
            try:
                document, end = unseal(data[at:], 3, control, database)
            except Damaged as damage:
                problem = problem or str(damage)
                continue
            copy = data[at : at + end].ljust(-(-end // 4096) * 4096, b"\0")
            if problem is None and copy + copy != data:
                problem = "the copies differ"
            return document, problem
    raise Damaged(problem)


class Log:
    """Whole records from the checkpoint on; what is wrong before it is said alone."""

    def __init__(self, disk, control):
        self.records, self.problem = [], None
        self.before = []
        starts = sorted(
            int(path[4:20], 16) for path in disk.files if path.startswith("wal/") and path.endswith(".log")
        )
        at, last = control.checkpoint, control.last
        self.first = control.first
        if at == 0 and starts:
            at = self.first = starts[0]
            last = 0
        self.check_before(disk, starts, at, control)
        below = [start for start in starts if start <= at]
        if not below:
            need(at == 0 and control.synced == 0, "wal: no segment that reaches back to the checkpoint")
            self.end = at
            return
        for start in starts[starts.index(below[-1]) :]:
            data = disk.read(f"wal/{start:016x}.log")
            head = data[:48]
            whole = len(head) == 48 and u32(head, 44) == crc(head[:44])
            whole = whole and head[:12] == b"RDBXWLOG\1\0\0\0" and head[12:28] == control.cluster
            if not whole and start == starts[-1] and start == at and len(data) <= 48:
                break
            need(whole and u64(head, 28) == start, f"wal: head of segment {start:016x}")
            if at < start + 48:
                at, last = start + 48, u64(head, 36)
            while at - start < len(data):
                record = self.record(data, start, (at, last), control)
                if record is None:
                    break
                self.records.append(record)
                at, last = at + record[0], at
            if at - start < len(data) and start == starts[-1]:
                self.problem = f"wal: {len(data) - (at - start)} bytes behind the last whole record"
                beyond = self.beyond(data, start, at, control)
                need(beyond is None or beyond <= at, "wal: damage before what was on disk")
                need(beyond is None, "wal: whole records beyond damage")
            else:
                need(at - start == len(data), f"wal: damage in segment {start:016x}")
        need(at >= control.synced, "wal: it ends before what was on disk")
        self.end = at

    def check_before(self, disk, starts, checkpoint, control):
        """What was there before the checkpoint was on disk, whole."""
        at, last = (starts or [0])[0], None
        for start in starts:
            data = disk.read(f"wal/{start:016x}.log")
            if start > checkpoint or at >= checkpoint and start != at:
                return
            head = data[:48]
            whole = len(head) == 48 and u32(head, 44) == crc(head[:44]) and start == at
            if not whole or head[:28] != b"RDBXWLOG\1\0\0\0" + control.cluster:
                if at < checkpoint:
                    self.before.append(f"wal: head of segment {start:016x}")
                return
            at, last = start + 48, u64(head, 36)
            while at < checkpoint and at - start < len(data):
                record = self.record(data, start, (at, last), control)
                if record is None:
                    self.before.append(f"wal: damage at {at}, before the checkpoint")
                    return
                at, last = at + record[0], at

    @staticmethod
    def record(data, start, place, control):
        at, last = place
        head = data[at - start : at - start + 41]
        if len(head) < 41:
            return None
        end = at - start + 41 + u32(head)
        body = data[at - start + 8 : end]
        if end > len(data) or u32(head, 4) != crc(control.cluster, head[:4], body):
            return None
        if u64(head, 8) != at or (last is not None and u64(head, 16) != last):
            return None
        owner = (u32(head, 32), u32(head, 36))
        return 41 + u32(head), owner, head[40], data[at - start + 41 : end], u64(head, 24)

    def beyond(self, data, start, at, control):
        """Up to where the log was on disk, by whole records behind damage; None for none."""
        for offset in range(at - start + 1, len(data) - 40):
            if u64(data, offset + 8) == start + offset:
                record = self.record(data, start, (start + offset, None), control)
                if record:
                    return record[4]
        return None

    def last_batch(self):
        """Makes nothing: the changes of the last whole batch, and the records behind it."""
        commits = [n for n, record in enumerate(self.records) if record[2] == 6]
        if not commits:
            return [], self.records
        count = Cursor(self.records[commits[-1]][3]).varint()
        changes = self.records[max(commits[-1] - count, 0) : commits[-1]]
        need(len(changes) == count and all(one[2] == 5 for one in changes), "wal: a batch without its changes")
        return [one[3] for one in changes], self.records[commits[-1] + 1 :]


class Table:
    """Rows of one table by their names, in stored order."""

    def __init__(self, directory, database, document):
        self.disk, self.control = directory.disk, directory.control
        self.lsns = directory.lsns
        schema = self.schema = document["schema"]
        self.name, self.counts = schema["name"], document["counts"]
        self.arity = len(schema["columns"])
        self.ids = struct.pack("<II", database[0], document["id"])
        self.stem = f"{database[1]}/{file_name(self.name, document['id'])}"
        self.problems, self.rows = [], {}
        read = {1: self.paged, 2: self.per_table, 3: self.append}[self.control.layout]
        try:
            read()
        except Damaged as damage:
            self.problems.append(str(damage))
        if not self.problems:
            live = sum(row.xmax is None for row in self.rows.values())
            if (len(self.rows), live) != (self.counts["rows"], self.counts["live"]):
                self.problems.append("other counts than the descriptor's")

    def seed(self, offset):
        return self.control.cluster + self.ids + struct.pack("<Q", offset)

    def of_log(self, lsn):
        need(lsn == 0 or self.lsns[0] <= lsn <= self.lsns[1], f"a state at {lsn}, which the log never had")

    def header(self, data, magic):
        need(len(data) >= 48 and u32(data, 44) == crc(data[:44]), "header: checksum")
        need(data[:12] == magic + b"\1\0\0\0", "header: another kind or version")
        need(data[12:36] == self.control.cluster + self.ids, "header: of another table")
        self.of_log(u64(data, 36))

    def unit(self, what, work):
        """Goes on after a damaged unit."""
        try:
            work()
        except Damaged as damage:
            self.problems.append(f"{what}: {damage}")

    def rows_of(self, payload, count):
        c = Cursor(payload)
        rows = [Row(c, self.arity) for _ in range(count)]
        need(c.at == len(payload), "bytes after the rows")
        return rows

    # Table files
    def per_table(self):
        path = self.stem + ".db"
        data = self.disk.read(path)
        self.header(data, b"RDBXTABL")
        need(len(data) >= 96, "no trailer")
        end = len(data) - 48
        trailer = data[end:]
        need(trailer[:8] == b"RDBXTEND", "trailer: no magic number")
        need(u32(trailer, 44) == crc(self.seed(end), trailer[:44]), "trailer: checksum")
        at, sums, first = 48, b"", 0
        while at < end:
            head = data[at : at + 24]
            need(head[:4] == b"RBLK" and len(head) == 24, f"block at {at}: no magic number")
            payload = data[at + 24 : at + 24 + u32(head, 4)]
            need(u32(head, 20) == crc(self.seed(at), head[:20], payload), f"block at {at}: checksum")
            need(u64(head, 12) == first, f"block at {at}: other rows")
            for row in self.rows_of(payload, u32(head, 8)):
                self.rows[first] = row
                first += 1
            sums += head[20:24]
            at += 24 + len(payload)
        need(at == end and u32(trailer, 40) == crc(sums), "trailer: chain")
        need((u64(trailer, 8), u64(trailer, 32)) == (first, len(sums) // 4), "trailer: counts")

    # Append files
    def append(self):
        data = self.disk.read(self.stem + ".dat")
        self.header(data, b"RDBXAPND")
        end = self.counts["data_len"]
        need(48 <= end <= len(data), "shorter than its records")
        at, first, by_index, ends = 48, 0, [], 0
        while at < end:
            head = data[at : at + 36]
            need(head[:4] == b"RREC" and len(head) == 36, f"record at {at}: no magic number")
            need(at + 36 + u32(head, 4) <= end, f"record at {at}: length")
            payload = data[at + 36 : at + 36 + u32(head, 4)]
            need(u32(head, 32) == crc(self.seed(at), head[:32], payload), f"record at {at}: checksum")
            need(head[13:16] == b"\0\0\0" and head[12] in (1, 2), f"record at {at}: kind")
            self.of_log(u64(head, 16))
            need(u64(head, 24) == first, f"record at {at}: other rows")
            if head[12] == 1:
                for n, row in enumerate(self.rows_of(payload, u32(head, 8))):
                    self.rows[at * 16384 + n] = row
                    by_index.append(row)
                    first += 1
            else:
                c = Cursor(payload)
                for _ in range(u32(head, 8)):
                    index, xmax = c.varint(), c.varint()
                    need(index < first and by_index[index].xmax is None, f"record at {at}: an end of no row")
                    by_index[index].xmax = xmax
                    ends += 1
                need(c.at == len(payload), f"record at {at}: bytes after the ends")
            at += 36 + len(payload)
        need(ends == self.counts["ends"], "another number of ends")

    # Page files
    def paged(self):
        pages, number = {}, 0
        while True:
            path = f"{self.stem}/page_{number:04}.dat"
            if path not in self.disk.files:
                break
            data = self.disk.read(path)
            need(len(data) % PAGE == 0 and data, f"{path}: no whole pages")
            count = min(len(data) // PAGE, self.control.pages)
            need(count * PAGE == len(data), f"{path}: too many pages")
            for n in range(count):
                page = data[PAGE * n : PAGE * n + PAGE]
                self.unit(f"page {number + n}", lambda: pages.update({number + n: self.page(page, number + n)}))
            number += self.control.pages
            if count < self.control.pages:
                break
        self.pages = pages
        for n in sorted(pages):
            if pages[n][36] == 1:
                self.unit(f"page {n}", lambda: self.heap(n))

    def page(self, page, number):
        need(u32(page, 12) == crc(self.seed(number), page[:12], page[16:]), "checksum")
        need(page[:12] == b"RDBXPAGE\1\0\0\0", "another kind or version")
        need(page[24:32] == self.ids and u32(page, 32) == number, "another place")
        self.of_log(u64(page, 16))
        lower, upper = struct.unpack_from("<HH", page, 40)
        need(page[36:40] in (b"\1\0\0\0", b"\2\0\0\0"), "kind or flags")
        need(44 <= lower <= upper <= PAGE and not any(page[lower:upper]), "bounds")
        return page

    def tuple(self, number, slot):
        need(number in self.pages, f"row in page {number}, which is damaged")
        page = self.pages[number]
        need(page[36] == 1 and 48 + 4 * slot <= struct.unpack_from("<H", page, 40)[0], "no such line pointer")
        offset, packed = struct.unpack_from("<HH", page, 44 + 4 * slot)
        return packed >> 13, page[offset : offset + (packed & 0x1FFF)]

    def heap(self, number):
        page = self.pages[number]
        for slot in range((struct.unpack_from("<H", page, 40)[0] - 44) // 4):
            self.unit(f"page {number}", lambda: self.line_pointer(number, slot))

    def line_pointer(self, number, slot):
        state, data = self.tuple(number, slot)
        if state in (0, 4, 5):
            return
        name = number * 65536 + slot
        if state == 3:
            state, data = self.tuple(u32(data), struct.unpack_from("<H", data, 4)[0])
            need(state in (4, 5), "moved to no row")
            state -= 3
        need(state in (1, 2), "a state that stands for nothing")
        if state == 2:
            data = self.wide(data, number, slot)
        (row,) = self.rows_of(data, 1)
        self.rows[name] = row

    def wide(self, head, number, slot):
        length, following, data, position = u32(head), u32(head, 4), head[8:], 0
        while len(data) < length:
            need(following in self.pages, f"a part in page {following}, which is not there")
            page = self.pages[following]
            owner = struct.pack("<IHHI", number, slot, 0, position)
            need(page[36] == 2 and page[44:56] == owner, f"page {following} is of another row")
            data += page[struct.unpack_from("<H", page, 42)[0] :]
            following, position = u32(page, 56), position + 1
        need(len(data) == length and following == NONE or position == 0, "a chain of another length")
        return data

    # Our log
    def apply(self, kind, c):
        if kind in (2, 3):
            name, xmax = c.varint(), c.varint()
            if c.take(1) == b"\1":
                c.varint()
            if name in self.rows:
                self.rows[name].xmax = xmax
            else:
                self.problems.append("wal: the end of a row that is not there")
        if kind in (1, 3):
            name, data = c.varint(), c.bytes()
            (self.rows[name],) = self.rows_of(data, 1)
        if kind == 4:
            following = struct.unpack("<q", c.take(8))[0]
            name, found = c.text(), False
            for sequence in self.schema["sequences"]:
                if sequence[0] == name:
                    sequence[1], found = following, True
            if not found:
                self.schema["sequences"].append([name, following])


def changes_of_tables(owner, kind, c):
    """Table and kind of each change of a record; each is read before the next one."""
    if kind in (1, 2, 3, 4):
        yield owner, kind
    if kind == 7:
        for _ in range(c.varint()):
            owner, kind = struct.unpack("<II", c.take(8)), c.take(1)[0]
            need(kind in (1, 2, 3, 4), "a change of another kind in a group")
            yield owner, kind


class Directory:
    def __init__(self, root):
        self.disk = Disk(root)
        self.problems, self.databases = [], []
        self.control = Control(self.disk)
        self.problems += self.control.damaged
        log = Log(self.disk, self.control)
        if log.problem:
            self.problems.append(log.problem)
        self.problems += log.before
        changes, records = log.last_batch()
        for change in changes:
            self.disk.change(Cursor(change))
        self.lsns = log.first, log.end
        self.accounts, _ = unseal(self.disk.read("global.db"), 1, self.control, NONE)
        for one in self.accounts.get("beside", []):
            data = self.disk.files.get(one["name"])
            if data is None or (len(data), f"{xxh3(data):032x}") != (one["len"], one["xxh3"]):
                self.problems.append(f"{one['name']}: not what global.db says")
        for entry in self.accounts["databases"]:
            try:
                self.databases.append(self.database(entry))
            except Damaged as damage:
                self.problems.append(f"{entry['name']}: {damage}")
        tables = {}
        for _, metadata, found in self.databases:
            for table in found:
                tables[table.ids] = table
        for _, owner, kind, payload, _ in records:
            c = Cursor(payload)
            for owner, kind in changes_of_tables(owner, kind, c):
                table = tables.get(struct.pack("<II", *owner))
                if not table:
                    self.problems.append("wal: a record of a table that is not there")
                    break
                table.apply(kind, c)

    def database(self, entry):
        path = "db_" + file_name(entry["name"], entry["id"])
        metadata, _ = unseal(self.disk.read(path + "/metadata.db"), 2, self.control, entry["id"])
        need(metadata["name"] == entry["name"], "another name")
        tables = []
        for one in metadata["tables"]:
            name = file_name(one["schema"]["name"], one["id"])
            try:
                data = self.disk.read(f"{path}/{name}.table")
                document, problem = unseal_twice(data, self.control, entry["id"])
                if problem:
                    self.problems.append(f"{path}/{name}.table: {problem}")
                lsn = document["checkpoint"]
                need(lsn == 0 or self.lsns[0] <= lsn <= self.lsns[1], "of a state that the log never had")
            except Damaged as damage:
                self.problems.append(f"{path}/{name}.table: {damage}")
                continue
            tables.append(Table(self, (entry["id"], path), document))
        return entry, metadata, tables

    def report(self):
        problems, out, hashes = list(self.problems), {}, []
        tables = []
        for entry, metadata, found in self.databases:
            of_tables = []
            for table in found:
                problems += [f"{table.stem}: {problem}" for problem in table.problems]
                rows = list(table.rows.values())
                made = of_table(table.schema, rows)
                of_tables.append(made)
                shown = {"database": entry["name"], "table": table.name}
                live = sum(row.xmax is None for row in rows)
                shown |= {"live": live, "dead": len(rows) - live}
                shown |= {"hash": f"{made[0]:032x}", "versions_hash": f"{made[1]:032x}"}
                tables.append(shown)
            hashes.append(of_database(metadata, of_tables))
        directory = of_directory(self.accounts, hashes)
        out["hash"], out["versions_hash"] = (f"{one:032x}" for one in directory)
        out["tables"] = sorted(tables, key=lambda one: (one["database"].encode(), one["table"].encode()))
        out["problems"] = problems
        return out


def read(root):
    """What one directory holds, as far as it can be read."""
    try:
        return Directory(root).report()
    except Damaged as damage:
        return {"tables": [], "problems": [str(damage)]}


if __name__ == "__main__":
    for root in sys.argv[1:]:
        print(json.dumps(read(root)))
