//! The facts of the replies that a rule may give instead of a redirect.
//!
//! They are here because a redirect is often used where one of them is meant.

use super::ReplyFacts;
use crate::status::ReplyStatus;

/// In the order of their numbers.
pub(super) const REPLIES: &[ReplyFacts] = &[
    ReplyFacts {
        status: ReplyStatus::NotFound,
        section: "RFC 9110 §15.5.5",
        says: "Nothing is here, and whether there ever will be is not said.",
        caching: "By default yes (RFC 9110 §15.1).",
        when: "A page is gone and has no successor. Better than sending everyone to the home page, which search engines take for \
               a missing page anyway (a soft 404) and which tells people nothing.",
        never: "Where you know that it is gone for good (410) or only for now (503).",
    },
    ReplyFacts {
        status: ReplyStatus::Gone,
        section: "RFC 9110 §15.5.11",
        says: "It was here, it is gone, and it will not come back.",
        caching: "By default yes (RFC 9110 §15.1).",
        when: "A page, a product, an API version was taken away on purpose and links to it should be deleted.",
        never: "Where there is a successor: 308, or 301 for pages.",
    },
    ReplyFacts {
        status: ReplyStatus::UnavailableForLegalReasons,
        section: "RFC 7725",
        says: "It is withheld because someone with the law behind them demanded it.",
        caching: "By default yes (RFC 7725 §3).",
        when: "A court or an authority ordered it. A `Link` with `rel=\"blocked-by\"` names who carries the order out.",
        never: "For your own choice to withhold something: 403 or 404.",
    },
    ReplyFacts {
        status: ReplyStatus::ServiceUnavailable,
        section: "RFC 9110 §15.6.4",
        says: "It cannot be served now; try again.",
        caching: "No, unless told so.",
        when: "Maintenance with nowhere else to send people. Say when in `Retry-After`, which has no effect on the clients that \
               follow redirects but is read by those that retry, and by crawlers.",
        never: "Where another place can do the work now: 307. A 307 to a page that says \"back soon\" is \
                worse than this: it ends in a 200 for something that is not there.",
    },
];
