# Which file says what the app depends on.
# shellcheck shell=bash

# What a source must not bring with it.
check_source() {
    local name
    [ ! -e .heroku/python ] || fail "The source has a .heroku/python of its own" "Remove it from git: Python is installed there"
    for name in venv .venv; do
        [ ! -f "$name/pyvenv.cfg" ] || fail "$name/ is a virtual environment of another machine" \
            "Remove it: git rm -r --cached $name; and add $name/ to .gitignore"
    done
    for name in requirement.txt requirments.txt requeriments.txt requirements.text Requirements.txt; do
        [ ! -f "$name" ] || [ -f requirements.txt ] || fail "$name is not read" "Rename it to requirements.txt"
    done
}

# Prints pip, pipenv, poetry or uv for a lock file or requirements.txt; project or setup for a package without one;
# nothing for an app that depends on nothing.
choose_manager() {
    local found=() manager file
    while read -r manager file; do
        [ ! -f "$file" ] || found+=("$manager $file")
    done <<<"pipenv Pipfile.lock
pip requirements.txt
poetry poetry.lock
uv uv.lock"
    case ${#found[@]} in
        0) choose_unlocked ;;
        1) echo "${found[0]% *}" ;;
        *) fail "Several files say what this app depends on: $(printf '%s\n' "${found[@]#* }" | commas)" \
            "Keep the one that you use, and remove the others" ;;
    esac
}

choose_unlocked() {
    [ ! -f Pipfile ] || fail "There is a Pipfile, but no Pipfile.lock" "Run: pipenv lock; then commit Pipfile.lock"
    if [ -f pyproject.toml ] && toml_has pyproject.toml project; then
        echo project
    elif [ -f pyproject.toml ] && toml_has pyproject.toml tool poetry; then
        fail "pyproject.toml is written for Poetry, but there is no poetry.lock" "Run: poetry lock; then commit poetry.lock"
    elif [ -f setup.py ]; then
        echo setup
    else
        echo none
    fi
}

# Whether a TOML file has a table at a path of keys. A file that is not TOML ends the build.
toml_has() {
    [ -n "$(toml_get "$@")" ]
}

# The value at a path of keys in a TOML file as text; nothing if it is not there.
toml_get() {
    /usr/bin/python3 - "$@" <<'PYTHON' || fail "$1 is not valid TOML" "Mend it where the line above says"
import sys, tomllib
try:
    with open(sys.argv[1], "rb") as file:
        value = tomllib.load(file)
except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
    sys.exit(f"       {sys.argv[1]}: {error}")
for key in sys.argv[2:]:
    value = value.get(key) if isinstance(value, dict) else None
print("" if value is None else value)
PYTHON
}

# bin/pre_compile and bin/post_compile of the source, as at Heroku.
run_hook() {
    [ -f "bin/$1" ] || return 0
    step "Running bin/$1"
    chmod +x "bin/$1"
    "bin/$1" 2>&1 | indent || fail "bin/$1 failed" "Mend what it said above, or remove it"
}

# Lines as a list in a sentence.
commas() {
    paste --serial --delimiters=, | sed 's/,/, /g'
}
