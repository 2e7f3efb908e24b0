//! Which pages may talk to the server: those of its own origin, or those on the app's list.
//! Comparison is exact; a page that is not allowed learns nothing but that.

use crate::failure::Failure;

/// The app's choice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins {
    /// Allowed origins; empty means the server's own only. `*` allows every page.
    pub listed: Vec<String>,
}

/// Answers the origin to be named in CORS headers, if the page is of another origin and allowed.
/// A request without `Origin` is not a page's; its token decides.
pub fn cors_origin(origins: &Origins, own: &str, origin: Option<&str>) -> Result<Option<String>, Failure> {
    let Some(origin) = origin else { return Ok(None) };
    let listed = |wanted: &str| origins.listed.iter().any(|listed| listed == wanted);
    if origin == own {
        return Ok(None);
    }
    if listed(origin) || listed("*") {
        return Ok(Some(origin.to_owned()));
    }
    Err(Failure::new(403, "origin_forbidden", "pages of this origin may not use this server"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "https://app.example";

    #[test]
    fn sv19_a_foreign_page_is_refused_unless_it_is_listed() {
        let own = Origins::default();
        assert_eq!(cors_origin(&own, OWN, None), Ok(None));
        assert_eq!(cors_origin(&own, OWN, Some(OWN)), Ok(None));
        for origin in ["https://app.example.evil.org", "http://app.example", "https://app.example:444", "null", ""] {
            assert_eq!(cors_origin(&own, OWN, Some(origin)).unwrap_err().code, "origin_forbidden", "{origin}");
        }
        let listed = Origins { listed: vec!["https://field.example".into()] };
        let allowed = Some("https://field.example".to_owned());
        assert_eq!(cors_origin(&listed, OWN, Some("https://field.example")), Ok(allowed));
        assert!(cors_origin(&listed, OWN, Some("https://field.example.org")).is_err());
    }
}
