//! `Aptfile`: Debian packages that an app needs, as Heroku's apt buildpack reads it: names, separated by blanks and line
//! ends. What else that buildpack knows (other repositories, archives by address) is not possible here, and is said.

/// Packages, each `NAME` or `NAME=VERSION`, in the order of the file, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aptfile {
    /// As apt takes them.
    pub packages: Vec<String>,
}

/// A line that asks for something else.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("Aptfile: line {line}: {word}: {reason}")]
pub struct AptfileError {
    line: usize,
    word: String,
    reason: &'static str,
}

const REPOSITORY: &str =
    "packages come from Debian 12 and from nowhere else\nLeave the line out, or build from a Dockerfile";
const ARCHIVE: &str = "a package is given by its name, not by an address\nLeave the line out, unpack it in a buildpack, or build from a Dockerfile";
const NO_PACKAGE: &str = "this is not the name of a Debian package\nWrite NAME or NAME=VERSION, several on a line or a line each; # begins a comment";

impl Aptfile {
    /// Reads an `Aptfile`.
    pub fn parse(bytes: &[u8]) -> Result<Self, AptfileError> {
        let text = String::from_utf8_lossy(bytes);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let mut packages: Vec<String> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let wrong = |word: &str, reason| {
                let word = word.chars().take(100).collect();
                AptfileError { line: index + 1, word, reason }
            };
            for word in line.split_whitespace() {
                if word.starts_with('#') {
                    break;
                }
                if word.starts_with(":repo:") {
                    return Err(wrong(word, REPOSITORY));
                }
                if word.contains("://") || word.ends_with(".deb") {
                    return Err(wrong(word, ARCHIVE));
                }
                if !is_package(word) {
                    return Err(wrong(word, NO_PACKAGE));
                }
                if !packages.iter().any(|known| known == word) {
                    packages.push(word.to_owned());
                }
            }
        }
        Ok(Self { packages })
    }
}

/// Debian Policy, sections 5.6.1 and 5.6.12, with a version if somebody insists. It becomes a word of a shell's.
pub fn is_package(name: &str) -> bool {
    let (name, version) = name.split_once('=').unwrap_or((name, "0"));
    let good = |text: &str, others: &str| {
        text.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || others.contains(c))
    };
    // A version may have capitals: `1.0~RC1-1`.
    good(name, "+.-") && good(&version.to_ascii_lowercase(), "+.-:~")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<String>, String> {
        Aptfile::parse(text.as_bytes()).map(|file| file.packages).map_err(|error| error.to_string())
    }

    #[test]
    fn packages_stand_between_blanks_and_comments() {
        let text = "# for pictures\nimagemagick libvips42   # fast\r\n\n  g++\nnginx=1.22.1-9+deb12u1\nimagemagick\n";
        assert_eq!(parse(text).unwrap(), ["imagemagick", "libvips42", "g++", "nginx=1.22.1-9+deb12u1"]);
        assert_eq!(parse("\u{feff}# nothing\n").unwrap(), [] as [String; 0]);
        assert_eq!(parse("x=1:2.0~RC1-1").unwrap(), ["x=1:2.0~RC1-1"]);
    }

    #[test]
    fn what_is_no_package_is_named_with_its_line_and_what_is_possible() {
        for (text, line, says) in [
            ("a\n:repo:deb http://x y main\n", 2, "nowhere else"),
            ("https://x.example/a.deb\n", 1, "by its name"),
            ("./a.deb", 1, "by its name"),
            ("a;b", 1, "NAME=VERSION"),
            ("--allow-unauthenticated", 1, "NAME=VERSION"),
            ("a\nb\n$(x)", 3, "NAME=VERSION"),
            ("Nginx", 1, "NAME=VERSION"),
            ("a=-1", 1, "NAME=VERSION"),
            ("a=", 1, "NAME=VERSION"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(&format!("line {line}: ")) && error.contains(says), "{text}: {error}");
        }
        assert!(parse(&format!(";{}", "x".repeat(5000))).unwrap_err().len() < 500);
    }
}
