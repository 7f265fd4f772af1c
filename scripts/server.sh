# shellcheck shell=bash
# Installs the binary, writes settings and service, starts and stops the server.
# Needs say.sh and engine.sh. Reads ROOT, PREFIX, SOURCES, BINARY, SSH_LISTEN, HTTP_LISTEN,
# HTTPS_LISTEN, DOMAIN.

UNIT=/etc/systemd/system/slipway.service
# The service has to start anew, or another server has to take the running one's place.
NEEDS_RESTART=
NEEDS_UPGRADE=

installed_binary() {
    printf '%s/bin/slipway\n' "$PREFIX"
}

# slipway COMMAND…: asks the running server over its socket.
slipway() {
    SLIPWAY_ROOT=$ROOT timeout 60 "$(installed_binary)" "$@"
}

# The home directories of the person who runs this: their own, and root's.
person_homes() {
    if [ -n "${SUDO_USER:-}" ]; then
        getent passwd "$SUDO_USER" | cut -d: -f6
    fi
    printf '%s\n' "$HOME"
}

# --- the binary ---

ensure_binary() {
    local source
    source=${BINARY:-$SOURCES/target/release/slipway}
    if [ -z "$BINARY" ] && ! prebuilt_is_fresh "$source"; then
        build_binary
    fi
    [ -x "$source" ] || fail "$source is no executable file" "name another with --binary, or leave that out to build one"
    if cmp -s "$source" "$(installed_binary)"; then
        step "$(installed_binary) is up to date"
        return
    fi
    step "Installing $(installed_binary)"
    mkdir -p "$PREFIX/bin"
    # Moved into place: a running binary cannot be written to, and a half-written one must never be started.
    install -m 755 "$source" "$(installed_binary).new"
    mv -f "$(installed_binary).new" "$(installed_binary)"
    NEEDS_UPGRADE=yes
}

prebuilt_is_fresh() {
    [ -x "$1" ] || return 1
    cargo_command >/dev/null || return 0
    [ -z "$(find "$SOURCES/src" "$SOURCES/Cargo.toml" "$SOURCES/Cargo.lock" -newer "$1" -print -quit)" ]
}

build_binary() {
    local cargo directory
    cargo=$(cargo_command) ||
        fail "there is no cargo to build slipway with" "install Rust (rustup.rs), or name a built binary with --binary"
    ensure_commands cc=gcc make=make
    [ -e /usr/include/stdio.h ] || install_packages libc6-dev
    step "Building slipway (some minutes the first time)"
    directory=$(dirname "$cargo")
    # As the person who called sudo if cargo is theirs: root must not own files in their directories.
    local as_person=()
    if [ -n "${SUDO_USER:-}" ] && [[ $cargo == "$(person_homes | sed -n 1p)"/* ]]; then
        as_person=(runuser -u "$SUDO_USER" -- env "HOME=$(person_homes | sed -n 1p)")
    fi
    (cd "$SOURCES" && "${as_person[@]}" env "PATH=$directory:$PATH" "CARGO_TARGET_DIR=$SOURCES/target" \
        "$cargo" build --release --locked) ||
        fail "slipway could not be built" "see the compiler's message above; Rust 1.95 or newer is needed ('rustup update')"
}

cargo_command() {
    local home
    command -v cargo && return
    while read -r home; do
        [ ! -x "$home/.cargo/bin/cargo" ] || { printf '%s\n' "$home/.cargo/bin/cargo"; return; }
    done < <(person_homes)
    return 1
}

# --- settings ---

write_settings() {
    local file=$ROOT/slipway.toml
    mkdir -p "$ROOT/logs"
    chmod 700 "$ROOT"
    [ -e "$file" ] || new_settings >"$file"
    cp "$file" "$file.new"
    change_setting ssh-listen "$SSH_LISTEN" "$file.new"
    change_setting http-listen "$HTTP_LISTEN" "$file.new"
    change_setting https-listen "$HTTPS_LISTEN" "$file.new"
    change_setting domain "$DOMAIN" "$file.new"
    if cmp -s "$file" "$file.new"; then
        rm "$file.new"
        step "Settings are in $file"
    else
        mv "$file.new" "$file"
        step "Settings changed in $file"
        NEEDS_UPGRADE=yes
    fi
}

new_settings() {
    cat <<'TOML'
# Slipway's settings. install.sh changes only what its options name; everything else in here is yours.
# What stands behind a # is the default. Restart the server after a change.
#ssh-listen = "0.0.0.0:2222"
#http-listen = "[::]:80"
#https-listen = "[::]:443"   # or "off"
#domain = "localhost"
TOML
}

# change_setting KEY VALUE FILE: replaces the line of a top-level key, or adds it; an empty value changes nothing.
change_setting() {
    [ -n "$2" ] || return 0
    local pattern="^[[:space:]]*$1[[:space:]]*="
    # Without a line of its own, the key takes the place of its commented default.
    grep -Eq "$pattern" "$3" || pattern="^#[[:space:]]*$1[[:space:]]*="
    awk -v pattern="$pattern" -v line="$1 = \"$2\"" '
        !done && !in_table && $0 ~ pattern { print line; done = 1; next }
        /^[[:space:]]*\[/ { if (!done) { print line; done = 1 } in_table = 1 }
        { print }
        END { if (!done) print line }
    ' "$3" >"$3.changed"
    mv "$3.changed" "$3"
}

# --- starting and stopping ---

ensure_server() {
    if systemd_runs; then
        write_unit
        systemctl enable --quiet slipway
        if [ -n "$NEEDS_UPGRADE" ] && systemctl is-active --quiet slipway; then
            upgrade_server
        fi
        if [ -n "$NEEDS_RESTART" ]; then
            step "Starting the server (systemd service slipway)"
            systemctl stop slipway
            # What the one before left behind, be it its addresses or its failures, is not the new one's.
            rm -f "$ROOT/listen.json"
            systemctl reset-failed slipway 2>/dev/null || true
            systemctl start slipway
        else
            systemctl start slipway
        fi
    else
        if [ -n "$NEEDS_UPGRADE" ] && server_runs; then
            upgrade_server
        fi
        [ -z "$NEEDS_RESTART" ] || stop_server
        server_runs || start_server_directly
    fi
    wait_for_server
}

# Has another server take the running one's place. One that is too old for that is restarted.
upgrade_server() {
    [ -z "$NEEDS_RESTART" ] || return 0
    # A program that does not run here must not be what a working server is stopped for.
    slipway version >/dev/null 2>&1 ||
        fail "$(installed_binary) does not reach the running server, which goes on" "try '$(installed_binary) version', and install a binary that works"
    if ! slipway upgrade --help >/dev/null 2>&1; then
        NEEDS_RESTART=yes
        return
    fi
    step "Replacing the server (apps, connections and sessions go on)"
    # Its own limit is upgrade.wait-seconds.
    SLIPWAY_ROOT=$ROOT "$(installed_binary)" upgrade | indented ||
        fail "the new server does not take over, and the old one goes on" "mend what stands above, and run 'slipway upgrade'"
    systemd_runs || listening_process >"$ROOT/slipway.pid"
}

# The process id of the server that listens.
listening_process() {
    sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' "$ROOT/listen.json"
}

write_unit() {
    unit_text >"$UNIT.new"
    if cmp -s "$UNIT.new" "$UNIT"; then
        rm "$UNIT.new"
    else
        mv "$UNIT.new" "$UNIT"
        systemctl daemon-reload
        NEEDS_RESTART=yes
    fi
}

# Root, since the engine's socket is as good as root; but a root that can do little beyond its own directory.
unit_text() {
    cat <<UNIT
[Unit]
Description=Slipway: git push puts apps live
After=network-online.target docker.service
Wants=network-online.target docker.service

[Service]
Type=notify
ExecStart=$(installed_binary) serve
ExecReload=$(installed_binary) upgrade
FileDescriptorStoreMax=16
TimeoutStartSec=660
Environment=SLIPWAY_ROOT=$ROOT
Restart=always
RestartSec=1
KillMode=mixed
TimeoutStopSec=60
LimitNOFILE=65536
OOMScoreAdjust=-500
UMask=0077
# The last two reach processes in containers, whoever they run as: to end them, and to write to them.
CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_KILL CAP_SYS_PTRACE
LockPersonality=yes
NoNewPrivileges=yes
PrivateDevices=yes
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=read-only
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectSystem=strict
ReadWritePaths=$ROOT
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
UNIT
}

# The process id of the directly started server, if it runs.
server_pid() {
    local pid
    pid=$(cat "$ROOT/slipway.pid" 2>/dev/null) || return 1
    # The id may belong to somebody else by now.
    [[ $(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") == *"$(installed_binary) serve"* ]] || return 1
    printf '%s\n' "$pid"
}

server_runs() {
    server_pid >/dev/null
}

server_is_gone() {
    ! server_runs
}

start_server_directly() {
    step "Starting the server (log $ROOT/logs/server.log, process id in $ROOT/slipway.pid)"
    detail "without systemd it does not start by itself after a reboot: run install.sh again then"
    # What a killed server left behind would be taken for the new one's.
    rm -f "$ROOT/listen.json"
    (
        umask 077
        cd /
        SLIPWAY_ROOT=$ROOT setsid nohup "$(installed_binary)" serve >>"$ROOT/logs/server.log" 2>&1 </dev/null &
        printf '%s\n' $! >"$ROOT/slipway.pid"
    )
}

stop_server() {
    local pid
    pid=$(server_pid) || return 0
    step "Stopping the server (apps go on running)"
    kill -TERM "$pid"
    wait_for 60 server_is_gone || kill -KILL "$pid"
    rm -f "$ROOT/slipway.pid"
}

wait_for_server() {
    local deadline=$((SECONDS + 60))
    until server_answers; do
        if [ "$SECONDS" -ge "$deadline" ] || server_failed; then
            server_log | indented >&2
            fail "the server does not start" "mend what its last lines say (settings: $ROOT/slipway.toml), and run this again"
        fi
        sleep 0.2
    done
    detail "$(slipway version) answers, ssh on $(listens_on ssh), http on $(listens_on http)$(listens_on https | sed "s/^/, https on /")"
}

server_answers() {
    [ -s "$ROOT/listen.json" ] && slipway version >/dev/null 2>&1
}

server_failed() {
    if systemd_runs; then
        [ "$(systemctl show --property NRestarts --value slipway)" -ge 3 ]
    else
        # Not server_runs, since right after the start the process may still be this script's own.
        process_ended "$(cat "$ROOT/slipway.pid")"
    fi
}

# A process that has ended but that nobody has asked for its exit code yet has no command line.
process_ended() {
    ! grep -q . "/proc/$1/cmdline" 2>/dev/null
}

server_log() {
    if systemd_runs; then
        # By its own field, since -u would show what systemd says of it, too.
        journalctl --no-pager -n 15 -o cat _SYSTEMD_UNIT=slipway.service
    else
        tail -n 15 "$ROOT/logs/server.log"
    fi
}

# listens_on ssh|http|https: the address and port that the server got.
listens_on() {
    sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" "$ROOT/listen.json"
}
