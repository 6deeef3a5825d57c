//! Where an address is: country, continent, membership of the European Union, autonomous system.
//!
//! Databases are read by others and handed in as [`Places`]; what one leaves out and a code implies (continent, EU) is filled in
//! here, since the flat databases name a country and nothing else.

use std::fmt;
use std::net::IpAddr;

/// Where an address is, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The country, by its two letters of ISO 3166-1, in capitals.
    pub country: Option<Code>,
    /// The continent: AF, AN, AS, EU, NA, OC or SA.
    pub continent: Option<Code>,
    /// Whether the country is a member of the European Union.
    pub is_eu: Option<bool>,
    /// The number of the autonomous system.
    pub asn: Option<u32>,
}

/// Two capital letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code([u8; 2]);

impl Code {
    /// A code of two letters, in whatever case.
    ///
    /// ```
    /// use byway_core::place::Code;
    /// assert_eq!(Code::new("de").unwrap().as_str(), "DE");
    /// assert!(Code::new("D1").is_none() && Code::new("DEU").is_none());
    /// ```
    pub fn new(text: &str) -> Option<Code> {
        match text.as_bytes() {
            [a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => {
                Some(Code([a.to_ascii_uppercase(), b.to_ascii_uppercase()]))
            }
            _ => None,
        }
    }

    /// The two letters.
    pub fn as_str(&self) -> &str {
        // Only letters get in.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Knows where addresses are. Asked only when a rule wants to know.
pub trait Places: fmt::Debug {
    /// The place of an address; empty where nothing is known.
    fn place(&self, address: IpAddr) -> Place;
}

/// One place for every address: what `explain` is told by hand.
impl Places for Place {
    fn place(&self, _address: IpAddr) -> Place {
        *self
    }
}

/// The members of the European Union.
const EU: &str = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK";

/// The continents by their codes, with their countries as GeoNames files them.
pub const CONTINENTS: [(&str, &str); 7] = [
    (
        "AF",
        "AO BF BI BJ BW CD CF CG CI CM CV DJ DZ EG EH ER ET GA GH GM GN GQ GW KE KM LR LS LY MA MG ML MR MU MW MZ NA NE NG \
         RE RW SC SD SH SL SN SO SS ST SZ TD TG TN TZ UG YT ZA ZM ZW",
    ),
    ("AN", "AQ BV GS HM TF"),
    (
        "AS",
        "AE AF AM AZ BD BH BN BT CC CN CX GE HK ID IL IN IO IQ IR JO JP KG KH KP KR KW KZ LA LB LK MM MN MO MV MY NP OM PH \
         PK PS QA SA SG SY TH TJ TM TR TW UZ VN YE",
    ),
    (
        "EU",
        "AD AL AT AX BA BE BG BY CH CY CZ DE DK EE ES FI FO FR GB GG GI GR HR HU IE IM IS IT JE LI LT LU LV MC MD ME MK MT \
         NL NO PL PT RO RS RU SE SI SJ SK SM UA VA XK",
    ),
    (
        "NA",
        "AG AI AW BB BL BM BQ BS BZ CA CR CU CW DM DO GD GL GP GT HN HT JM KN KY LC MF MQ MS MX NI PA PM PR SV SX TC TT US \
         VC VG VI",
    ),
    ("OC", "AS AU CK FJ FM GU KI MH MP NC NF NR NU NZ PF PG PN PW SB TK TL TO TV UM VU WF WS"),
    ("SA", "AR BO BR CL CO EC FK GF GY PE PY SR UY VE"),
];

impl Place {
    /// The same, with what the country implies and nobody said.
    ///
    /// ```
    /// use byway_core::place::{Code, Place};
    /// let place = Place { country: Code::new("at"), ..Place::default() }.completed();
    /// assert_eq!((place.continent, place.is_eu), (Code::new("EU"), Some(true)));
    /// ```
    #[must_use]
    pub fn completed(self) -> Place {
        let Some(country) = self.country else { return self };
        let continent = self.continent.or_else(|| continent_of(country));
        Place { continent, is_eu: self.is_eu.or(Some(lists(EU, country))), ..self }
    }
}

/// The continent of a country.
fn continent_of(country: Code) -> Option<Code> {
    CONTINENTS.iter().find(|(_, countries)| lists(countries, country)).and_then(|(code, _)| Code::new(code))
}

/// Whether a text of codes between blanks names this one.
fn lists(codes: &str, code: Code) -> bool {
    codes.as_bytes().chunks(3).any(|chunk| chunk[..2] == code.0)
}

/// Whether a code is that of a country.
pub(crate) fn is_country(code: Code) -> bool {
    continent_of(code).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_country_is_on_one_continent_and_the_union_has_twenty_seven() {
        let all: Vec<&str> = CONTINENTS.iter().flat_map(|(_, countries)| countries.split(' ')).collect();
        let mut once = all.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), all.len());
        assert!(all.len() >= 249 && all.iter().all(|code| code.len() == 2), "{}", all.len());
        assert_eq!(EU.split(' ').count(), 27);
        assert!(EU.split(' ').all(|code| all.contains(&code)));
    }
}
