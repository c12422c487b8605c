-- Times are microseconds since 1970, durations microseconds. An id of a run is its ULID, so that runs lie in the order
-- of time.
CREATE TABLE series (
  id INTEGER PRIMARY KEY,
  task TEXT NOT NULL,
  target TEXT NOT NULL,
  protocol TEXT NOT NULL,
  labels TEXT NOT NULL, -- a JSON object
  host TEXT NOT NULL,
  seen INTEGER NOT NULL, -- when it was last looked up: at least once a day while it has runs
  UNIQUE (task, target, protocol, labels, host)
);
CREATE TABLE code (
  id INTEGER PRIMARY KEY,
  book TEXT NOT NULL,
  protocol TEXT NOT NULL,
  number INTEGER NOT NULL,
  name TEXT NOT NULL,
  title TEXT NOT NULL,
  UNIQUE (book, protocol, number, name)
);
CREATE TABLE address (
  id INTEGER PRIMARY KEY,
  ip TEXT NOT NULL UNIQUE
);
CREATE TABLE definition (
  id INTEGER PRIMARY KEY,
  hash BLOB NOT NULL UNIQUE, -- SHA-256
  text TEXT NOT NULL,
  seen INTEGER NOT NULL
);
CREATE TABLE run (
  id BLOB PRIMARY KEY,
  series INTEGER NOT NULL,
  started INTEGER NOT NULL,
  due INTEGER NOT NULL,
  late INTEGER NOT NULL,
  duration INTEGER NOT NULL,
  phases BLOB NOT NULL, -- src/store/pack.rs
  outcome INTEGER NOT NULL, -- 0 ok, 1 failed, 2 error, 3 skipped, 4 missed
  code INTEGER,
  attempt INTEGER NOT NULL,
  address INTEGER,
  port INTEGER,
  definition INTEGER NOT NULL,
  warning TEXT -- a JSON list
) WITHOUT ROWID;
CREATE INDEX run_of_series ON run (series, id);
CREATE INDEX failed_run ON run (id) WHERE outcome = 1;
CREATE INDEX failed_run_of_series ON run (series, id) WHERE outcome = 1;
-- What only runs have that are not ok.
CREATE TABLE failure (
  run BLOB PRIMARY KEY,
  fault TEXT,
  phase TEXT,
  side TEXT,
  detail TEXT,
  evidence BLOB -- JSON, deflated; null where it had to make room
) WITHOUT ROWID;
-- What runs add up to, src/store/cells.rs: a value for each hour or day, task and target.
CREATE TABLE hourly (
  start INTEGER NOT NULL,
  series INTEGER NOT NULL,
  cells BLOB NOT NULL,
  PRIMARY KEY (start, series)
) WITHOUT ROWID;
CREATE TABLE daily (
  start INTEGER NOT NULL,
  series INTEGER NOT NULL,
  cells BLOB NOT NULL,
  PRIMARY KEY (start, series)
) WITHOUT ROWID;
