-- Accounts at certificate authorities. The credentials are sealed.
CREATE TABLE acme_accounts (
    directory TEXT NOT NULL,
    email TEXT NOT NULL,
    credentials BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (directory, email)
) STRICT;
-- Keys for external account binding, sealed; app NULL is for all apps that have none of their own.
CREATE TABLE acme_external_keys (
    app INTEGER REFERENCES apps (id) ON DELETE CASCADE,
    hmac_key BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX acme_external_keys_of_app ON acme_external_keys (COALESCE(app, 0));
-- How it stands with an app's automatic certificates.
CREATE TABLE acme_states (
    app INTEGER PRIMARY KEY REFERENCES apps (id) ON DELETE CASCADE,
    state TEXT NOT NULL
) STRICT;
-- What authorities count: certificates by registered domain and by set of names, failures by name.
CREATE TABLE acme_ledger (
    at INTEGER NOT NULL,
    directory TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL
) STRICT;
CREATE INDEX acme_ledger_of_subject ON acme_ledger (directory, kind, subject, at);
