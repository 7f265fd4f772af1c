# Java for the app's processes.
# shellcheck shell=bash
# shellcheck source=/dev/null
. "$HOME/.heroku/java/environment.sh"
for JAVA_HOME in "$HOME/.heroku/java/jre" /usr/lib/jvm/java-*-openjdk-*; do
    [ ! -x "$JAVA_HOME/bin/java" ] || break
done
export JAVA_HOME PATH="$JAVA_HOME/bin:$PATH"
# What the app sets itself comes last and wins.
JAVA_TOOL_OPTIONS="$(java_memory) $(java_trust "$HOME/.heroku/java" "$HOME/.heroku/java")$(java_proxy) ${JAVA_TOOL_OPTIONS-}"
JAVA_TOOL_OPTIONS="-Dfile.encoding=UTF-8 $JAVA_TOOL_OPTIONS"
export JAVA_TOOL_OPTIONS
export JAVA_OPTS="${JAVA_OPTS-}" MALLOC_ARENA_MAX="${MALLOC_ARENA_MAX:-2}"
unset -f java_trust java_proxy java_memory
