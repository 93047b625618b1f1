//! What may be known of a page: its host, or its scheme where it has none.

use std::hash::{Hash, Hasher};
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;

use lru::LruCache;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use url::{Host, Url};

/// The longest name of a host that DNS has (RFC 1035, 2.3.4, without the root's dot).
const HOST_BYTES_MAX: usize = 253;

/// Pages of which is remembered what was worked out.
const PAGES_MAX: NonZeroUsize = NonZeroUsize::new(1 << 14).unwrap();

/// A page, without its path, query, title or user.
///
/// It is handed round several times a visit, by one thread: counting who has it must cost nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page(Rc<Named>);

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Named {
    /// The host, lower case and punycode; of a page of the browser, an extension or the disk the
    /// scheme.
    name: Arc<str>,
    /// Where in the host the name of its site begins; `None` for a page without a host.
    site_at: Option<u8>,
}

/// Why a text names no page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PageError {
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
    /// It is no text.
    #[error("it is no UTF-8")]
    NoUtf8,
    /// It is no URL.
    #[error("it is no URL")]
    NoUrl,
    /// It is no hostname.
    #[error("it is no hostname")]
    NoHost,
}

impl Page {
    /// Takes from a URL what may be known.
    ///
    /// # Errors
    /// The text is empty or no URL.
    pub fn of_url(text: &str) -> Result<Self, PageError> {
        if text.is_empty() {
            return Err(PageError::Empty);
        }
        let url = Url::parse(text).map_err(|_| PageError::NoUrl)?;
        match url.host() {
            Some(host) if matches!(url.scheme(), "http" | "https") => Self::of_parsed(&host),
            _ => Ok(Self::internal(url.scheme())),
        }
    }

    /// Reads the name of a host.
    ///
    /// # Errors
    /// The text is empty, or something else than a host stands in it.
    pub fn of_host(text: &str) -> Result<Self, PageError> {
        if text.is_empty() {
            return Err(PageError::Empty);
        }
        let host = Host::parse(text).map_err(|_| PageError::NoHost)?;
        Self::of_parsed(&host)
    }

    fn of_parsed<S: AsRef<str>>(host: &Host<S>) -> Result<Self, PageError> {
        let name: Arc<str> = match host {
            Host::Domain(name) => name.as_ref().trim_end_matches('.').into(),
            Host::Ipv4(address) => address.to_string().into(),
            Host::Ipv6(address) => format!("[{address}]").into(),
        };
        if name.is_empty() || name.len() > HOST_BYTES_MAX {
            return Err(PageError::NoHost);
        }
        let site_at = name.len() - recorder::site_of(&name).len();
        Ok(Self(Rc::new(Named {
            site_at: Some(u8::try_from(site_at).expect("a host has at most 253 bytes")),
            name,
        })))
    }

    fn internal(scheme: &str) -> Self {
        Self(Rc::new(Named {
            name: scheme.into(),
            site_at: None,
        }))
    }

    /// The host, where there is one.
    pub fn host(&self) -> Option<&Arc<str>> {
        self.0.site_at.and(Some(&self.0.name))
    }

    /// The scheme of a page without a host.
    pub fn scheme(&self) -> Option<&str> {
        self.0.site_at.is_none().then_some(&*self.0.name)
    }

    /// The site that it belongs to.
    pub(super) fn site(&self) -> Site {
        Site(self.clone())
    }

    pub(super) fn name_bytes(&self) -> usize {
        self.0.name.len()
    }
}

/// What a page belongs to: the registrable domain of its host, by the list of public suffixes; the
/// host itself where it has none, such as an address; the scheme of a page without a host. Pages of
/// one site make equal ones.
#[derive(Clone, Debug)]
pub(super) struct Site(Page);

impl Site {
    fn name(&self) -> (bool, &str) {
        let Named { name, site_at } = &*self.0.0;
        let start = site_at.map_or(0, usize::from);
        (site_at.is_some(), &name[start..])
    }
}

impl PartialEq for Site {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0.0, &other.0.0) || self.name() == other.name()
    }
}

impl Eq for Site {}

impl Hash for Site {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

/// Reads pages, and remembers the hosts: the same ones come again and again, and to read one takes
/// as long as all else that is done with a row.
pub(super) struct Pages(LruCache<String, Page>);

impl Default for Pages {
    fn default() -> Self {
        Self(LruCache::new(PAGES_MAX))
    }
}

impl Pages {
    /// Does what [`Page::of_url`] does.
    pub(super) fn of_url(&mut self, text: &str) -> Result<Page, PageError> {
        // What follows a plain authority makes no URL a bad one, and no other host of it.
        match plain_authority(text) {
            Some(authority) => self.remembered(authority, Page::of_url),
            None => Page::of_url(text),
        }
    }

    /// Does what [`Page::of_host`] does.
    pub(super) fn of_host(&mut self, text: &str) -> Result<Page, PageError> {
        self.remembered(text, Page::of_host)
    }

    fn remembered(
        &mut self,
        text: &str,
        read: impl FnOnce(&str) -> Result<Page, PageError>,
    ) -> Result<Page, PageError> {
        if text.len() > HOST_BYTES_MAX {
            return read(text);
        }
        let page = self.0.try_get_or_insert_ref(text, || read(text));
        page.cloned()
    }
}

/// The beginning of a URL up to its path, where nothing in it has to be decoded or left out.
fn plain_authority(text: &str) -> Option<&str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:".contains(&byte);
    let start = ["https://", "http://"]
        .into_iter()
        .find_map(|scheme| text.starts_with(scheme).then_some(scheme.len()))?;
    let length = text
        .bytes()
        .skip(start)
        .take_while(|&byte| is_plain(byte))
        .count();
    let end = start + length;
    let is_ended = matches!(text.as_bytes().get(end), None | Some(b'/' | b'?' | b'#'));
    (length > 0 && is_ended).then(|| &text[..end])
}

/// A number for a page, by which it is told from others and from which it cannot be found out.
pub(super) fn page_key(text: &str) -> i64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&Sha256::digest(text.as_bytes())[..8]);
    i64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn host_of(page: Result<Page, PageError>) -> Result<String, PageError> {
        page.map(|page| page.host().unwrap().to_string())
    }

    #[test]
    fn only_the_host_of_a_url_is_left() {
        for (url, expect) in [
            ("https://User:pw@Example.ORG:8443/a?b#c", "example.org"),
            ("http://bücher.example/", "xn--bcher-kva.example"),
            ("http://127.0.0.1:80/", "127.0.0.1"),
            ("http://[::1]/", "[::1]"),
            ("http://example.org./", "example.org"),
        ] {
            assert_eq!(host_of(Page::of_url(url)), Ok(expect.to_owned()));
        }
        for (url, scheme) in [
            ("chrome://history/", "chrome"),
            ("about:blank", "about"),
            ("file:///home/someone/secret.txt", "file"),
            ("moz-extension://0b5c/options.html", "moz-extension"),
        ] {
            let page = Page::of_url(url).unwrap();
            assert_eq!((page.host(), page.scheme()), (None, Some(scheme)));
        }
        assert_eq!(Page::of_url("example.org"), Err(PageError::NoUrl));
        assert_eq!(Page::of_url(""), Err(PageError::Empty));
    }

    #[test]
    fn a_host_is_a_host_alone() {
        for (host, expect) in [("Example.org", "example.org"), ("localhost", "localhost")] {
            assert_eq!(host_of(Page::of_host(host)), Ok(expect.to_owned()));
        }
        assert_eq!(
            Page::of_host("https://example.org/"),
            Err(PageError::NoHost)
        );
        assert_eq!(Page::of_host(&"a.".repeat(200)), Err(PageError::NoHost));
    }

    proptest! {
        #[test]
        fn what_is_remembered_is_what_would_be_read(
            urls in prop::collection::vec(
                "(https?|ftp|chrome)://[aB.:@%-]{0,6}([12]{1,3}\\.){0,4}[a-z1]{0,4}(:[0-9]{0,6})?[/?#]?[a-z]?",
                1..20,
            ),
        ) {
            let (mut pages, mut hosts) = (Pages::default(), Pages::default());
            for url in urls {
                prop_assert_eq!(pages.of_url(&url), Page::of_url(&url), "{}", url);
                let host = url.split('/').nth(2).unwrap_or_default();
                prop_assert_eq!(hosts.of_host(host), Page::of_host(host), "{}", host);
            }
        }
    }

    #[test]
    fn a_site_is_what_somebody_registered() {
        for (host, site) in [
            ("mail.example.co.uk", "example.co.uk"),
            ("someone.github.io", "someone.github.io"),
            ("localhost", "localhost"),
            ("127.0.0.1", "127.0.0.1"),
        ] {
            let page = Page::of_host(host).unwrap();
            assert_eq!(page.site().name(), (true, site));
            assert_eq!(page.site(), Page::of_host(site).unwrap().site());
        }
        let internal = Page::of_url("chrome://history/").unwrap();
        assert_eq!(internal.site().name(), (false, "chrome"));
        assert_ne!(internal.site(), Page::of_host("chrome").unwrap().site());
    }
}
