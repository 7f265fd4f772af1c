//! Clients that stay with their instance, by a cookie.
//!
//! The cookie is a keyed hash of the app and the instance's label: nobody can make one, so nobody can choose an
//! instance or learn how many there are, and there is nothing to verify with each request, as it is compared with
//! those of the instances. It is the label that is hashed and not the container, so that `web.2` of the next release
//! is still `web.2`. A cookie that fits no instance is as good as none.

use std::sync::Arc;

use aws_lc_rs::{constant_time, hmac};
use hyper::header::{self, HeaderMap, HeaderValue};

use crate::instance::Instance;
use crate::settings::SigningKey;

/// The cookie's name.
const COOKIE: &str = "slipway-instance";
/// Bytes of the hash that the cookie has, in twice as many digits.
const HASH_BYTES: usize = 16;

/// The cookies of one app's instances, made with the table.
#[derive(Debug)]
pub(crate) struct Cookies(Vec<Cookie>);

#[derive(Debug)]
struct Cookie {
    instance: u64,
    value: String,
}

impl Cookies {
    /// For an app and its instances.
    pub(crate) fn new(key: &SigningKey, app: &str, instances: &[Arc<Instance>]) -> Self {
        let cookie = |instance: &Arc<Instance>| Cookie {
            instance: instance.number,
            value: value(key, app, &instance.label),
        };
        Self(instances.iter().map(cookie).collect())
    }

    /// Takes the cookie out of a request, and says to which instance its client belongs.
    pub(crate) fn take(&self, headers: &mut HeaderMap) -> Option<u64> {
        // Most of those that come without it need no more than this.
        let is_named =
            |value: &HeaderValue| memchr::memmem::find(value.as_bytes(), COOKIE.as_bytes()).is_some();
        if !headers.get_all(header::COOKIE).iter().any(is_named) {
            return None;
        }
        let before: Vec<HeaderValue> = headers.get_all(header::COOKIE).iter().cloned().collect();
        headers.remove(header::COOKIE);
        let mut home = None;
        for value in before {
            let (rest, found) = self.split(value.as_bytes());
            home = home.or(found);
            if let Ok(rest) = HeaderValue::from_bytes(&rest)
                && !rest.is_empty()
            {
                headers.append(header::COOKIE, rest);
            }
        }
        home
    }

    /// A list of cookies without those of ours, and the instance that the first good one of them names.
    fn split(&self, value: &[u8]) -> (Vec<u8>, Option<u64>) {
        let mut home = None;
        let mut rest = Vec::with_capacity(value.len());
        for pair in value.split(|byte| *byte == b';') {
            match pair.trim_ascii().strip_prefix(COOKIE.as_bytes()).and_then(|pair| pair.strip_prefix(b"=")) {
                Some(value) => home = home.or_else(|| self.instance(value)),
                None if rest.is_empty() => rest.extend_from_slice(pair.trim_ascii_start()),
                None => {
                    rest.push(b';');
                    rest.extend_from_slice(pair);
                }
            }
        }
        (rest, home)
    }

    fn instance(&self, value: &[u8]) -> Option<u64> {
        let same =
            |cookie: &&Cookie| constant_time::verify_slices_are_equal(cookie.value.as_bytes(), value).is_ok();
        self.0.iter().find(same).map(|cookie| cookie.instance)
    }

    /// What makes a client stay with an instance, for the whole of a path.
    pub(crate) fn header(&self, instance: u64, path: &str, encrypted: bool) -> Option<HeaderValue> {
        let Cookie { value, .. } = self.0.iter().find(|cookie| cookie.instance == instance)?;
        let path = if path.is_empty() { "/" } else { path };
        let secure = if encrypted { "; Secure" } else { "" };
        HeaderValue::from_str(&format!("{COOKIE}={value}; Path={path}; HttpOnly; SameSite=Lax{secure}")).ok()
    }
}

fn value(key: &SigningKey, app: &str, label: &str) -> String {
    let mut context = hmac::Context::with_key(key.key());
    for part in [app.as_bytes(), b"\0", label.as_bytes()] {
        context.update(part);
    }
    let tag = context.sign();
    tag.as_ref().iter().take(HASH_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::tests::instances;

    fn cookies(all: &[Arc<Instance>], app: &str) -> Cookies {
        Cookies::new(&SigningKey::new(&[7; 32]), app, all)
    }

    /// What is left of the cookies, and whose the client is.
    fn taken(cookies: &Cookies, values: &[&str]) -> (Vec<String>, Option<u64>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::COOKIE, HeaderValue::from_str(value).unwrap());
        }
        let home = cookies.take(&mut headers);
        let rest = headers.get_all(header::COOKIE).iter();
        (rest.map(|value| value.to_str().unwrap().to_owned()).collect(), home)
    }

    #[test]
    fn the_cookie_leads_back_and_does_not_reach_the_app() {
        let all = instances(3);
        let cookies = cookies(&all, "blog");
        let set = cookies.header(all[1].number, "", true).unwrap();
        let (pair, attributes) = set.to_str().unwrap().split_once(';').unwrap();
        assert_eq!(attributes, " Path=/; HttpOnly; SameSite=Lax; Secure");
        assert!(!cookies.header(all[1].number, "", false).unwrap().to_str().unwrap().contains("Secure"));
        let home = Some(all[1].number);
        assert_eq!(taken(&cookies, &[pair]), (vec![], home));
        let between = format!("a=1;  b=\"2;{pair}; c=3; c=4");
        assert_eq!(taken(&cookies, &[&between]), (vec!["a=1;  b=\"2; c=3; c=4".to_owned()], home));
        assert_eq!(taken(&cookies, &["x=1", pair, "y=2"]), (vec!["x=1".to_owned(), "y=2".to_owned()], home));
        assert_eq!(taken(&cookies, &[&format!("{pair};x=1")]), (vec!["x=1".to_owned()], home));
    }

    #[test]
    fn what_is_not_ours_stays_as_it_is_and_what_is_forged_means_nothing() {
        let all = instances(2);
        let cookies = cookies(&all, "blog");
        let other = "a=b; not-slipway-instance=1; slipway-instancex=2";
        assert_eq!(taken(&cookies, &[other]), (vec![other.to_owned()], None));
        for forged in [
            "slipway-instance=web.1",
            "slipway-instance=",
            "slipway-instance=0123456789abcdef0123456789abcdef",
        ] {
            assert_eq!(taken(&cookies, &[forged]), (vec![], None), "{forged}");
        }
    }

    #[test]
    fn a_label_survives_a_deployment_and_a_restart_but_not_another_app_or_key() {
        let (before, after) = (instances(2), instances(2));
        let set = cookies(&before, "blog").header(before[1].number, "", false).unwrap();
        let (pair, _) = set.to_str().unwrap().split_once(';').unwrap();
        assert_eq!(taken(&cookies(&after, "blog"), &[pair]).1, Some(after[1].number));
        assert_eq!(taken(&cookies(&after, "shop"), &[pair]).1, None);
        let other_key = Cookies::new(&SigningKey::new(&[8; 32]), "blog", &after);
        assert_eq!(taken(&other_key, &[pair]).1, None);
    }

    #[test]
    fn of_two_paths_each_has_a_cookie_of_its_own() {
        let (site, api) = (instances(2), instances(2));
        let (of_site, of_api) = (cookies(&site, "site"), cookies(&api, "api"));
        let first = of_site.header(site[0].number, "", false).unwrap();
        let second = of_api.header(api[1].number, "/api", false).unwrap();
        assert!(second.to_str().unwrap().contains("; Path=/api;"));
        let pair = |value: &HeaderValue| value.to_str().unwrap().split_once(';').unwrap().0.to_owned();
        let both = format!("{}; {}", pair(&second), pair(&first));
        assert_eq!(taken(&of_api, &[&both]), (vec![], Some(api[1].number)));
        assert_eq!(taken(&of_site, &[&both]), (vec![], Some(site[0].number)));
    }
}
