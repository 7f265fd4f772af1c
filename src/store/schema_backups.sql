-- Where a service's backups go, how and when they are made, and how the last one went. Credentials are sealed.
CREATE TABLE service_backups (
    service INTEGER PRIMARY KEY REFERENCES services (id) ON DELETE CASCADE,
    destination TEXT,
    schedule TEXT,
    -- How a bucket is reached, and the passphrase; sealed.
    access BLOB,
    passphrase BLOB,
    public_key TEXT,
    keep_count INTEGER,
    keep_days INTEGER,
    -- Until when the schedule was followed.
    accounted INTEGER,
    succeeded_at INTEGER,
    failed_at INTEGER,
    failure TEXT
) STRICT;

-- Data that a service had before an upgrade, until somebody confirms it or goes back.
CREATE TABLE service_former_data (
    service INTEGER PRIMARY KEY REFERENCES services (id) ON DELETE CASCADE,
    data TEXT NOT NULL,
    image TEXT NOT NULL,
    version TEXT NOT NULL,
    reference TEXT NOT NULL,
    built INTEGER NOT NULL,
    since INTEGER NOT NULL
) STRICT;
