"""The library's tables, as numbered migrations from the first day.

`PRAGMA user_version` counts the migrations a file has had. Opening an older file applies the
missing ones in one transaction; a newer file is refused, never guessed at. A migration that was
released is never edited: a change is a new entry at the end.
"""

import sqlite3

from seesay.base.errors import SchemaError

APPLICATION_ID = 0x53656553  # "SeeS": tells our file from any other SQLite file

MIGRATIONS = (
    """
    -- One row: what the whole library is made with and how often it changed.
    CREATE TABLE state (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        model_id INTEGER REFERENCES models (id),
        generation INTEGER NOT NULL DEFAULT 0   -- grows with every change of items; derived files name it
    );
    INSERT INTO state (one) VALUES (1);

    CREATE TABLE models (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,              -- Encoder.id: name@hash
        dim INTEGER NOT NULL
    );

    -- Folders and files that were asked for: `seesay index` without a path goes through them again.
    CREATE TABLE roots (path BLOB PRIMARY KEY) WITHOUT ROWID;

    -- Places where another file system began. If one is gone, its files are out of reach, not removed.
    CREATE TABLE mounts (path BLOB PRIMARY KEY) WITHOUT ROWID;

    -- Paths are bytes: a name on disk need not be UTF-8.
    CREATE TABLE files (
        id INTEGER PRIMARY KEY,
        folder BLOB NOT NULL,
        name BLOB NOT NULL,
        size_bytes INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        digest BLOB NOT NULL,                   -- BLAKE2b-128 of the content: a moved file is known by it
        UNIQUE (folder, name)
    );
    CREATE INDEX files_by_size ON files (size_bytes);
    CREATE INDEX files_by_digest ON files (digest);

    -- What a search can find: a picture now; a video moment has times, a tile has a box (left, top, right, bottom).
    -- AUTOINCREMENT: an id is never used twice, so a derived row is either right or gone.
    CREATE TABLE items (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        file_id INTEGER NOT NULL REFERENCES files (id) ON DELETE CASCADE,
        kind TEXT NOT NULL CHECK (kind IN ('image', 'moment', 'tile')),
        start_s REAL,
        end_s REAL,
        box TEXT
    );
    CREATE INDEX items_by_file ON items (file_id);

    -- Apart from items, so that going through items does not read the vectors.
    CREATE TABLE vectors (
        item_id INTEGER PRIMARY KEY REFERENCES items (id) ON DELETE CASCADE,
        model_id INTEGER NOT NULL REFERENCES models (id),
        vector BLOB NOT NULL                    -- float16, little-endian, unit length
    );
    CREATE INDEX vectors_by_model ON vectors (model_id, item_id);

    -- The ledger of what could not be read. Size and time are null when not even that could be read.
    CREATE TABLE errors (
        path BLOB PRIMARY KEY,
        size_bytes INTEGER,
        mtime_ns INTEGER,
        reason TEXT NOT NULL,
        seen_at REAL NOT NULL                   -- seconds since 1970
    ) WITHOUT ROWID;

    CREATE TABLE jobs (
        id INTEGER PRIMARY KEY,
        started_at REAL NOT NULL,
        finished_at REAL,                       -- null: running, or killed
        outcome TEXT,
        summary TEXT                            -- JSON
    );
    """,
    """
    -- Videos. A moment is [start_s, end_s) of the file; its vector was made from the frame at time_s.
    ALTER TABLE items ADD COLUMN time_s REAL;

    -- How finely a file was looked at (see detail.py); empty: one vector for the whole picture.
    ALTER TABLE files ADD COLUMN detail TEXT NOT NULL DEFAULT '';

    -- Where reading goes on in a video that was not read to its end; null: it was.
    ALTER TABLE files ADD COLUMN position_s REAL;

    -- How finely files below this root are to be looked at; null: as by default.
    ALTER TABLE roots ADD COLUMN detail TEXT;
    """,
    """
    -- When a photograph or film was taken, as its own data say, in nanoseconds since 1970; null: they do not.
    ALTER TABLE files ADD COLUMN taken_ns INTEGER;

    -- Which version of our decoders made the vectors (see reading.py); 0: one before there were numbers.
    ALTER TABLE files ADD COLUMN reader INTEGER NOT NULL DEFAULT 0;

    -- Of a file with several video tracks, which one a moment is of; 0: the one that players choose.
    ALTER TABLE items ADD COLUMN track INTEGER NOT NULL DEFAULT 0;

    -- The track that position_s is of.
    ALTER TABLE files ADD COLUMN position_track INTEGER NOT NULL DEFAULT 0;

    -- Of a file with several pages, which one an item is of, from 1; null: the file is one picture.
    ALTER TABLE items ADD COLUMN page INTEGER;

    -- Patterns as in a .gitignore, a line each, that `--exclude` gave for this root; null: nothing was said.
    ALTER TABLE roots ADD COLUMN exclude TEXT;

    -- Which mounts hold or held our files, and which drive or share each is (see mounts.py). If a file's is not there,
    -- the file is out of reach, not removed. An empty identity: one from before they were known.
    ALTER TABLE mounts RENAME TO mounts_of_old;
    CREATE TABLE mounts (
        id INTEGER PRIMARY KEY,
        point BLOB NOT NULL,
        root BLOB NOT NULL,                     -- the folder of the drive that it shows; of a bind mount seldom the top
        identity TEXT NOT NULL,
        UNIQUE (point, root, identity)
    );
    INSERT INTO mounts (point, root, identity) SELECT path, x'2f', '' FROM mounts_of_old;
    DROP TABLE mounts_of_old;
    ALTER TABLE files ADD COLUMN mount_id INTEGER REFERENCES mounts (id);

    -- Of a video that is being read again: items with smaller ids are of the last time, and go as the new ones come.
    ALTER TABLE files ADD COLUMN items_from INTEGER;

    -- 1: a run with --rebuild was stopped, and the next one goes on.
    ALTER TABLE state ADD COLUMN is_rebuilding INTEGER NOT NULL DEFAULT 0;

    -- What a person took out of the library below a root: it stays out until it is named to `index` again.
    CREATE TABLE forgotten (path BLOB PRIMARY KEY) WITHOUT ROWID;

    -- What the last walk left out because of a rule, and that rule; of a folder only itself.
    CREATE TABLE excluded (path BLOB PRIMARY KEY, rule TEXT NOT NULL) WITHOUT ROWID;

    -- How many files of each suffix the last walk of a root passed over, because seesay cannot read such files.
    CREATE TABLE passed_over (
        root BLOB NOT NULL,
        suffix TEXT NOT NULL,
        num_files INTEGER NOT NULL,
        PRIMARY KEY (root, suffix)
    ) WITHOUT ROWID;
    """,
)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring an open database to the newest schema.

    Raises:
        SchemaError: the file is not a library, or a newer seesay made it.
    """
    # In this order: another process may be making the library, and it sets our id with its first table.
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID and (version or tables):
        raise SchemaError("this SQLite file is not a seesay library; name another folder with `--library`")
    if version > len(MIGRATIONS):
        raise SchemaError(
            f"this library has schema {version}, this seesay knows up to {len(MIGRATIONS)}; "
            "upgrade with `pip install --upgrade seesay`"
        )
    for number in range(version, len(MIGRATIONS)):
        try:
            # One script, one transaction: a crash between two statements leaves the old version whole.
            connection.executescript(
                f"BEGIN IMMEDIATE; PRAGMA application_id = {APPLICATION_ID};"
                f"{MIGRATIONS[number]}; PRAGMA user_version = {number + 1}; COMMIT;"
            )
        except sqlite3.OperationalError:
            if connection.in_transaction:
                connection.rollback()
            (reached,) = connection.execute("PRAGMA user_version").fetchone()
            if reached <= number:  # otherwise another process did the same while we waited for it
                raise
