//! Which builder, which buildpacks, and where each comes from.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// What turns a source into an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Builder {
    /// A Dockerfile if there is one and the source names no buildpacks; else buildpacks.
    #[default]
    Auto,
    /// The Dockerfile.
    Dockerfile,
    /// Buildpacks.
    Buildpacks,
}

/// A text that names no builder.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0} is not a builder: write dockerfile or buildpacks, or nothing for what fits the source")]
pub struct BuilderError(String);

impl fmt::Display for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Dockerfile => "dockerfile",
            Self::Buildpacks => "buildpacks",
        })
    }
}

impl FromStr for Builder {
    type Err = BuilderError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "dockerfile" => Ok(Self::Dockerfile),
            // Dokku's name for the same.
            "buildpacks" | "herokuish" => Ok(Self::Buildpacks),
            _ => Err(BuilderError(text.to_owned())),
        }
    }
}

/// Where a buildpack comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildpackReference {
    /// One that comes with Slipway, by its name.
    Bundled(String),
    /// A directory of the source itself: `./buildpacks/one`, kept without the `./`.
    Local(String),
    /// A git repository.
    Git {
        /// Its address.
        url: String,
        /// A branch, a tag or a commit; empty for the default branch.
        reference: String,
    },
    /// A tar or zip archive.
    Archive(String),
}

/// A text that is no buildpack.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BuildpackError {
    /// Not the name of a bundled one.
    #[error("there is no buildpack {0} here\nThese come with Slipway: {names}; others by address, for example https://github.com/heroku/heroku-buildpack-clojure#main", names = BUNDLED.join(", "))]
    Unknown(String),
    /// An address that cannot be used.
    #[error(
        "{0} is not a buildpack\nWrite a name, an https address of a git repository or an archive, or ./PATH in the source"
    )]
    Address(String),
}

/// The bundled ones, in the order in which they are asked whether a source is theirs.
pub const BUNDLED: &[&str] = &["ruby", "nodejs", "python", "java", "php", "go", "rust", "static", "procfile"];

/// Heroku's old name for a list of buildpacks in the source; nobody is asked whether a source is its.
pub const MULTI: &str = "multi";

/// Endings of archives.
const ARCHIVES: [&str; 6] = [".tgz", ".tar.gz", ".tar.xz", ".tar.bz2", ".tar", ".zip"];

impl FromStr for BuildpackReference {
    type Err = BuildpackError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let address = || BuildpackError::Address(text.to_owned());
        if text.chars().any(|character| character.is_control() || character == ' ') {
            return Err(address());
        }
        if let Some(path) = text.strip_prefix("./") {
            let parts = || path.trim_end_matches('/').split('/');
            let clean = parts().all(|part| !matches!(part, "" | "." | ".."));
            return clean.then(|| Self::Local(parts().collect::<Vec<_>>().join("/"))).ok_or_else(address);
        }
        if !text.contains("://") {
            let name = text.strip_prefix("heroku/").unwrap_or(text);
            let known = BUNDLED.contains(&name) || name == MULTI;
            return if known {
                Ok(Self::Bundled(name.to_owned()))
            } else {
                Err(BuildpackError::Unknown(text.to_owned()))
            };
        }
        let (url, reference) = text.split_once('#').unwrap_or((text, ""));
        let parsed = Url::parse(url).map_err(|_| address())?;
        if !matches!(parsed.scheme(), "http" | "https" | "file") || reference.starts_with('-') {
            return Err(address());
        }
        if ARCHIVES.iter().any(|ending| parsed.path().ends_with(ending)) {
            return Ok(Self::Archive(url.to_owned()));
        }
        Ok(Self::Git { url: url.to_owned(), reference: reference.to_owned() })
    }
}

impl BuildpackReference {
    /// All of it, as it can be read again.
    pub fn text(&self) -> String {
        match self {
            Self::Bundled(name) => name.clone(),
            Self::Local(path) => format!("./{path}"),
            Self::Git { url, reference } if reference.is_empty() => url.clone(),
            Self::Git { url, reference } => format!("{url}#{reference}"),
            Self::Archive(url) => url.clone(),
        }
    }
}

/// Without the name and password that an address may have.
impl fmt::Display for BuildpackReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text();
        let secret = text.split_once("://").and_then(|(scheme, rest)| {
            let (authority, _) = rest.split_once('/').unwrap_or((rest, ""));
            let (_, host) = authority.rsplit_once('@')?;
            Some(format!("{scheme}://***@{host}{}", rest.get(authority.len()..)?))
        });
        f.write_str(&secret.unwrap_or(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<BuildpackReference, BuildpackError> {
        text.parse()
    }

    #[test]
    fn buildpacks_are_names_addresses_and_directories() {
        assert_eq!(parsed("heroku/nodejs").unwrap(), BuildpackReference::Bundled("nodejs".to_owned()));
        assert_eq!(parsed("./a/b/").unwrap(), BuildpackReference::Local("a/b".to_owned()));
        let git =
            BuildpackReference::Git { url: "https://x.example/a/b".to_owned(), reference: "v2".to_owned() };
        assert_eq!(parsed("https://x.example/a/b#v2").unwrap(), git);
        assert!(matches!(parsed("https://x.example/b.tgz").unwrap(), BuildpackReference::Archive(_)));
        for text in ["nodejs", "./a/b", "https://x.example/a/b#v2", "https://x.example/b.zip"] {
            assert_eq!(parsed(text).unwrap().to_string(), text);
        }
        let private = parsed("https://me:secret@x.example/a@b#v2").unwrap();
        assert_eq!(private.to_string(), "https://***@x.example/a@b#v2");
        assert_eq!(parsed(&private.text()).unwrap(), private);
    }

    #[test]
    fn what_cannot_be_one_is_refused() {
        for text in [
            "",
            "heroku/clojure",
            "./../a",
            "./",
            "ssh://x.example/a",
            "https://a b",
            "https://x.example/a#-u",
            "a\nb",
        ] {
            assert!(parsed(text).is_err(), "{text:?}");
        }
        assert!(parsed("clojure").unwrap_err().to_string().contains("nodejs"));
    }
}
