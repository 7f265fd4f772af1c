# shellcheck shell=bash
# Gives the server the public keys of the person who installs it. Needs say.sh and server.sh. Reads KEY_FILES.

add_keys() {
    local file found=
    while read -r file; do
        add_key "$file"
        found=yes
    done < <(key_files)
    [ -n "$found" ] || detail "no key was given and none found; add one with: slipway ssh-keys:add NAME < key.pub"
}

# The files given with --key, or else the person's own public keys.
key_files() {
    local home
    if [ ${#KEY_FILES[@]} -gt 0 ]; then
        printf '%s\n' "${KEY_FILES[@]}"
        return
    fi
    person_homes | sort -u | while read -r home; do
        find "$home/.ssh" -maxdepth 1 -name '*.pub' 2>/dev/null || true
    done
}

add_key() {
    local file=$1 fingerprint known name
    if ! [ -r "$file" ] || grep -q 'PRIVATE KEY' "$file"; then
        fail "$file is not a public key" "name the file that ends in .pub"
    fi
    fingerprint=$(ssh-keygen -l -f "$file" 2>/dev/null | awk 'NR == 1 { print $2 }')
    [ -n "$fingerprint" ] || fail "$file is not a public key" "make one with ssh-keygen, and name the file that ends in .pub"
    # Not through a pipe to `grep -q`: that ends at the first match, and the writer's failure would look like none.
    known=$(slipway ssh-keys:list 2>/dev/null || true)
    if [[ $known == *"$fingerprint"* ]]; then
        step "The key $file is known"
        return
    fi
    name=$(key_name "$file")
    step "Adding the key $file as $name"
    slipway ssh-keys:add "$name" <"$file" | indented ||
        fail "the key was not added" "read the line above; 'slipway ssh-keys:list' shows the keys there are"
}

# A name from the key's comment (alice@laptop becomes alice-laptop), and a part of its digest to make it unique.
key_name() {
    local comment digest
    comment=$(awk 'NR == 1 { print $3 }' "$1" | tr '[:upper:]' '[:lower:]' | tr -cs 'a-z0-9\n' '-' | sed 's/^-*//; s/-*$//')
    digest=$(awk 'NR == 1 { print $2 }' "$1" | sha256sum | cut -c 1-6)
    printf '%s-%s\n' "${comment:-key}" "$digest"
}
