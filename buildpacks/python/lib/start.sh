# What processes find in their environment, and what is run if the source does not say.
# shellcheck shell=bash

write_profile() {
    mkdir -p .profile.d
    cp "$PACK/lib/profile/"*.sh .profile.d/
    # For buildpacks that come after this one.
    cat >"$PACK/export" <<'EXPORT'
export PATH="/app/.heroku/python/bin:$PATH" PYTHONUNBUFFERED=1
EXPORT
}

hint_at_start() {
    [ -z "$("$PACK/bin/release" .)" ] || return 0
    ! grep -qE '^[A-Za-z0-9_-]+:' Procfile 2>/dev/null || return 0
    warn "Nothing says how to start this app" "Write a Procfile with a line like: web: gunicorn app:app"
}
