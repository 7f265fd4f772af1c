# What is wrong with a static.json, a line each.
def single_line: type == "string" and (test("[\n\r\u0000]") | not);

. as $settings
| (("routes", "redirects", "headers", "proxies", "logging") as $key
   | select($settings[$key] | . != null and type != "object") | "\($key) must be an object"),
  (("root", "fallback", "error_page", "encoding", "canonical_host") as $key
   | select($settings[$key] | . != null and (single_line | not)) | "\($key) must be a text"),
  (.routes | objects | to_entries[] | select(.value | single_line | not) | "the route \(.key) must be a text"),
  (.redirects | objects | to_entries[]
   | select(.value | if type == "object" then .url else . end | single_line | not) | "the redirect \(.key) has no url"),
  (.redirects | objects | to_entries[]
   | select(.value.status? // 301 | IN(301, 302, 303, 307, 308) | not) | "the redirect \(.key) has a status that is none: \(.value.status)"),
  (.proxies | objects | to_entries[] | select(.value.origin? | single_line | not) | "the proxy \(.key) has no origin"),
  (.headers | objects | to_entries[] | select(.value | type != "object") | "the headers of \(.key) must be an object"),
  (.headers | objects | .[] | objects | to_entries[]
   | select((.key | test("^[A-Za-z0-9-]+$") | not) or (.value | tostring | single_line | not)) | "the header \(.key) is none")
