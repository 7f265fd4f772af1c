"""What the server keeps in memory when nothing happens."""

from report import Row, say
from server import wait_for

APPS = 10
REQUESTS = 50
GOAL_MIB = 40


def measure(server, _rounds=None):
    repository = server.hello_repository("memory")
    apps = [f"bench-{number}" for number in range(APPS)]
    for app in apps:
        server.push(repository, app, "main")
    for app in apps:
        for _ in range(REQUESTS):
            wait_for(f"{app} answers", lambda app=app: server.get(app))
    resident = server.idle_memory_kib("Rss") / 1024
    proportional = server.idle_memory_kib("Pss") / 1024
    private = server.memory_kib("Private_Dirty") / 1024
    say(f"       {resident:.1f} MiB resident, of which {private:.1f} MiB are private and written")
    return [
        Row(
            f"idle memory with {APPS} apps",
            f"{resident:.1f} MiB RSS, {proportional:.1f} MiB PSS",
            "",
            f"{resident:.1f} MiB",
            f"≤ {GOAL_MIB} MiB",
            resident <= GOAL_MIB,
        )
    ]
