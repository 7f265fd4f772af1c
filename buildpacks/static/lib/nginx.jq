# The configuration of nginx, from static.json with "root" (absolute), "fallback" and "error_page" filled in.
# ${NAME} in a value is written as %{NAME}, which "serve" replaces at start; any other dollar must not look like one of
# nginx's variables.

def quoted:
  gsub("\\\\"; "\\\\") | gsub("\""; "\\\"")
  | gsub("\\$\\{(?<name>[A-Za-z_][A-Za-z0-9_]*)\\}"; "%{" + .name + "}") | gsub("\\$(?!\\{dollar)"; "${dollar}")
  | "\"" + . + "\"";

# "/a/*" and "/a/**" as a regular expression: one segment, any number of them.
def pattern:
  gsub("(?<special>[][.+?(){}|^$\\\\])"; "[" + .special + "]") | gsub("\\[\\^\\]"; "\\^") | gsub("\\[\\\\\\]"; "\\\\")
  | gsub("\\*\\*"; "\u0000") | gsub("\\*"; "[^/]*") | gsub("\u0000"; ".*")
  | "^" + . + "$";

def absolute: if startswith("/") then . else "/" + . end;
def lines: join("\n");

# Which definition of headers counts: the last that matches.
def headers:
  (.headers // {} | to_entries) as $sets
  | ([$sets[].value | keys[]] | unique_by(ascii_downcase)) as $names
  | ["map $path $headers {", "    default 0;",
     ($sets | to_entries | reverse | map("    \("~" + (.value.key | pattern) | tojson) \(.key + 1);")[]), "}",
     ($names | to_entries[] | .key as $index | .value as $name
      | "map $headers $header_\($index) {",
        "    default \(if ($name | ascii_downcase) == "cache-control" then "$usual_caching" else "\"\"" end);",
        ($sets | to_entries[] | .key as $set | .value.value | to_entries[] | select((.key | ascii_downcase) == ($name | ascii_downcase))
         | "    \($set + 1) \(.value | tostring | quoted);"), "}")];

def add_headers:
  ([.headers // {} | .[] | keys[]] | unique_by(ascii_downcase)) as $names
  | ($names | to_entries | map("        add_header \(.value) $header_\(.key)\(if (.value | ascii_downcase) == "cache-control" then "" else " always" end);")),
    (if any($names[]; ascii_downcase == "cache-control") then [] else ["        add_header Cache-Control $usual_caching;"] end) | .[];

def routes:
  ["map $path $route {", "    default \"\";",
   (.routes // {} | to_entries[] | "    \("~" + (.key | pattern) | tojson) \(.value | absolute | quoted);"),
   # What looks like a file is missing, and is no page of the app.
   (if .fallback then "    \"~/[^/.]*$\" \(.fallback | absolute | quoted);" else empty end), "}"];

def redirects:
  .redirects // {} | to_entries[]
  | "        location ~ \(.key | pattern | tojson) {",
    "            return \(.value.status // 301) \((.value | if type == "string" then . else .url end) | quoted);",
    "        }";

def proxies:
  .proxies // {} | to_entries[]
  | "        location ^~ \(.key | absolute | if endswith("/") then . else . + "/" end | quoted) {",
    "            proxy_pass \(.value.origin | if endswith("/") then . else . + "/" end | quoted);",
    "            proxy_ssl_server_name on;",
    "            proxy_http_version 1.1;",
    "            proxy_set_header Upgrade $http_upgrade;",
    "            proxy_set_header Connection $connection_of_proxy;",
    "        }";

def canonical_host:
  if .canonical_host then
    "        if ($host != \(.canonical_host | quoted)) {",
    "            return 301 $forwarded_scheme://\(.canonical_host | quoted | .[1:-1])$request_uri;",
    "        }"
  else empty end;

[
  "include /etc/nginx/modules-enabled/*.conf;",
  "daemon off;",
  "worker_processes %{NGINX_WORKERS};",
  "pid /tmp/nginx/pid;",
  "error_log stderr \(.logging.error? // "error");",
  "events { worker_connections 1024; }",
  "http {",
  "    include /etc/nginx/mime.types;",
  "    types { application/manifest+json webmanifest; text/javascript mjs; }",
  "    default_type application/octet-stream;",
  "    charset \(.encoding // "utf-8" | quoted);",
  "    charset_types text/css text/plain text/xml text/javascript application/javascript application/json application/manifest+json image/svg+xml;",
  "    access_log \(if .logging.access? == false then "off" else "/dev/stdout" end);",
  ("client_body", "proxy", "fastcgi", "uwsgi", "scgi" | "    \(.)_temp_path /tmp/nginx/\(.);"),
  "    sendfile on;",
  "    tcp_nopush on;",
  "    server_tokens off;",
  "    absolute_redirect off;",
  "    gzip_static on;",
  "    brotli_static on;",
  "    gzip_vary on;",
  "    geo $dollar { default \"$\"; }",
  "    map $request_uri $path { \"~^(?<path_only>[^?]*)\" $path_only; }",
  "    map $http_upgrade $connection_of_proxy { default upgrade; \"\" \"\"; }",
  "    map $http_x_forwarded_proto $forwarded_scheme { default $http_x_forwarded_proto; \"\" $scheme; }",
  "    # A file whose name holds a digest of its content never changes; everything else is asked for again.",
  "    map $uri $usual_caching {",
  "        default \"no-cache\";",
  "        \"~[.]html?$\" \"no-cache\";",
  "        \"~^/(_next/static|_app/immutable)/\" \"public, max-age=31536000, immutable\";",
  "        \"~[-._](?=[a-f]*[0-9])[0-9a-f]{8,64}([.][a-z0-9]+)+$\" \"public, max-age=31536000, immutable\";",
  "        \"~[-._](?=[^./]*[0-9])(?=[^./]*[A-Z])[A-Za-z0-9_-]{8}([.][a-z0-9]+)+$\" \"public, max-age=31536000, immutable\";",
  "        \"~/(assets|_astro|static)/(.+/)?[^/]*[-.](?=[^./]{1,7}[A-Z0-9])[A-Za-z0-9_-]{8}([.][a-z0-9]+)+$\" \"public, max-age=31536000, immutable\";",
  "    }",
  (headers[], routes[] | "    " + .),
  "    server {",
  "        listen %{PORT};",
  "        root \(.root | quoted);",
  (if .basic_auth then "        auth_basic \"Restricted\";", "        auth_basic_user_file /tmp/nginx/htpasswd;" else empty end),
  add_headers,
  (if .error_page then "        error_page 404 500 502 503 504 \(.error_page | absolute | quoted);" else empty end),
  canonical_host,
  "        # A folder's relative links need the slash at the end of its address.",
  "        if (-f $request_filename/index.html) { rewrite ^(.*[^/])$ $1/ permanent; }",
  "        location ~ \"/[.](?!well-known/)\" { return 404; }",
  (if .hidden then "        location ~ \"^/(static[.]json|app[.]json|Procfile|Aptfile|package(-lock)?[.]json|node_modules/.*)$\" { return 404; }" else empty end),
  redirects,
  proxies,
  "        location / {",
  "            try_files $uri \(if .clean_urls then "$uri.html " else "" end)$uri/index.html @routes;",
  "        }",
  "        location @routes {",
  "            try_files $route =404;",
  "        }",
  "    }",
  "}"
] | lines
