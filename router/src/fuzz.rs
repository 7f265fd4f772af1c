//! What has to hold for every input of everything here that parses. Only in tests and under `cargo fuzz`
//! (`router/fuzz`): the tests throw random and nearly right input at each target for a moment, a fuzzer for as long as
//! it likes.

mod heads;
mod settings;
mod streams;
mod values;

/// Panics where something does not hold.
pub type Target = fn(&[u8]);

/// All targets, by the names of their files in `router/fuzz`.
pub const TARGETS: &[(&str, Target)] = &[
    ("accept_encoding", values::accept_encoding),
    ("answer", heads::answer),
    ("client_certificate", values::client_certificate),
    ("client_hello", streams::client_hello),
    ("cookies", values::cookies),
    ("credentials", values::credentials),
    ("forwarded", heads::forwarded),
    ("frame_watch", streams::frame_watch),
    ("head_watch", streams::head_watch),
    ("header_rule", settings::header_rule),
    ("host", values::host),
    ("host_pattern", settings::host_pattern),
    ("interims", streams::interims),
    ("networks", settings::networks),
    ("path_prefix", settings::path_prefix),
    ("proxy_header", streams::proxy_header),
    ("redirect_rule", settings::redirect_rule),
    ("request", heads::request),
    ("traceparent", values::traceparent),
    ("websocket_frames", streams::websocket_frames),
];

/// Runs the target of a name.
pub fn run(name: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    assert!(target.is_some(), "no target has the name {name}");
    if let Some((_, target)) = target {
        target(input);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{read, read_dir, read_to_string};
    use std::path::Path;

    use proptest::collection::vec;
    use proptest::prelude::{any, proptest};
    use proptest::sample::select;

    use super::*;

    /// Pieces of right input, so that a few of them together are often nearly right.
    const PIECES: &[&str] = &[
        "GET / HTTP/1.1\r\n",
        "POST /a HTTP/1.1\r\n",
        "Host: a\r\n",
        "Content-Length: 3\r\n",
        "content-length:0\r\n",
        "Transfer-Encoding: chunked\r\n",
        "\r\n",
        "\r\n\r\n",
        "3\r\nabc\r\n",
        "0\r\n",
        "0\r\n\r\n",
        "\n",
        "\r",
        "abc",
        "#",
        ";x",
        "X: y\r\n",
        "Expect: 100-continue\r\n",
        "Connection: close\r\n",
        "blog.test",
        ":80",
        "[2001:db8::1]",
        "[",
        "]",
        "192.0.2.1",
        "10.0.0.2",
        ", ",
        ";",
        "for=",
        "proto=https",
        "host=",
        "\"",
        "\\",
        "_x",
        "unknown",
        "PROXY ",
        "TCP4 ",
        "TCP6 ",
        "UNKNOWN",
        " 1 2",
        "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c",
        "/",
        "/api",
        "/a*",
        "*",
        " ",
        "..",
        "%2f",
        "?q",
        "https://",
        "http://a.example",
        "@",
        "00-",
        "0af7651916cd43dd8448eb211c80319c",
        "-",
        "b7ad6b7169203331",
        "-01",
        "ff",
        "HTTP/1.1 103 Early Hints\r\n",
        "HTTP/1.1 200 OK\r\n",
        "Basic ",
        "YTpi",
        "gzip",
        "br;q=0.5",
        "slipway-instance=",
        "maintenance-bypass=",
        "Cookie: a=b\r\n",
        "Upgrade: websocket\r\n",
    ];

    #[test]
    fn each_target_can_be_fuzzed() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
        let manifest = read_to_string(folder.join("Cargo.toml")).unwrap();
        let bins = manifest.lines().filter_map(|line| line.strip_prefix("path = \"fuzz_targets/"));
        let mut bins: Vec<_> = bins.map(|line| line.trim_end_matches(".rs\"")).collect();
        bins.sort_unstable();
        assert_eq!(bins, TARGETS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        for (name, target) in TARGETS {
            let seeds: Vec<_> = read_dir(folder.join("corpus").join(name)).unwrap().flatten().collect();
            assert!(!seeds.is_empty(), "{name} has no seeds");
            seeds.iter().for_each(|seed| target(&read(seed.path()).unwrap()));
        }
    }

    proptest! {
        #[test]
        fn targets_hold_for_any_bytes(input in vec(any::<u8>(), 0..200)) {
            TARGETS.iter().for_each(|(_, target)| target(&input));
        }

        #[test]
        fn targets_hold_for_what_is_nearly_right(pieces in vec(select(PIECES), 0..14)) {
            let input = pieces.concat();
            TARGETS.iter().for_each(|(_, target)| target(input.as_bytes()));
        }

        #[test]
        fn heads_that_are_nearly_right_are_watched_as_hyper_reads_them(pieces in vec(select(&PIECES[..19]), 0..24)) {
            run("head_watch", pieces.concat().as_bytes());
        }
    }
}
