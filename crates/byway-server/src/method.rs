//! The classes of methods that requests and hits are counted by.
//!
//! Whatever a client may send as its method, there are seven counters and seven label values, never more.

/// A method, as far as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum MethodClass {
    /// GET.
    Get,
    /// HEAD.
    Head,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
    /// Any other method, and requests whose method could not be read.
    Other,
}

impl MethodClass {
    /// All classes, in the order in which they are counted.
    pub const ALL: [MethodClass; 7] = [
        MethodClass::Get,
        MethodClass::Head,
        MethodClass::Post,
        MethodClass::Put,
        MethodClass::Patch,
        MethodClass::Delete,
        MethodClass::Other,
    ];

    /// The class of a method; its case counts (RFC 9110 §9.1).
    ///
    /// ```
    /// use byway_server::MethodClass;
    /// assert_eq!(MethodClass::of("POST"), MethodClass::Post);
    /// assert_eq!(MethodClass::of("post"), MethodClass::Other);
    /// ```
    pub fn of(method: &str) -> MethodClass {
        match method {
            "GET" => MethodClass::Get,
            "HEAD" => MethodClass::Head,
            "POST" => MethodClass::Post,
            "PUT" => MethodClass::Put,
            "PATCH" => MethodClass::Patch,
            "DELETE" => MethodClass::Delete,
            _ => MethodClass::Other,
        }
    }

    /// The word in metrics, lists and the store of hits.
    pub const fn as_str(self) -> &'static str {
        match self {
            MethodClass::Get => "get",
            MethodClass::Head => "head",
            MethodClass::Post => "post",
            MethodClass::Put => "put",
            MethodClass::Patch => "patch",
            MethodClass::Delete => "delete",
            MethodClass::Other => "other",
        }
    }
}
