//! What to ask a service for: the search terms of a scene, or its words, then fewer, then words that mean the same, then
//! broader ones.

use reelmill_text::{Language, is_stop, words};
use std::collections::BTreeMap;

/// Questions about one scene at the most.
const QUESTIONS_MAX: usize = 8;
/// Words of one question at the most, unless somebody wrote it as one: services match fewer things the more words there
/// are.
const WORDS_MAX: usize = 3;
/// Search terms that are asked for as they are.
const TERMS_MAX: usize = 3;
/// Characters of one question at the most (Pixabay takes 100).
const CHARS_MAX: usize = 100;

/// English words with what may be shown in their place, nearest first. Nouns that scripts like and footage services
/// lack, or have under another name.
const BROADER: &[(&str, &[&str])] = &[
    ("ai", &["computer", "technology"]),
    ("anxiety", &["worried person", "stress"]),
    ("battery", &["electronics", "energy"]),
    ("bitcoin", &["cryptocurrency", "money"]),
    ("brain", &["head", "science"]),
    ("budget", &["money", "calculator"]),
    ("car", &["road", "traffic"]),
    ("cell", &["microscope", "biology"]),
    ("childhood", &["children", "playground"]),
    ("climate", &["weather", "nature"]),
    ("company", &["office", "business"]),
    ("computer", &["laptop", "technology"]),
    ("cooking", &["kitchen", "food"]),
    ("data", &["server", "computer"]),
    ("disease", &["hospital", "medicine"]),
    ("economy", &["business", "money"]),
    ("education", &["school", "classroom"]),
    ("electricity", &["power line", "energy"]),
    ("exercise", &["gym", "running"]),
    ("factory", &["industry", "machine"]),
    ("farming", &["field", "tractor"]),
    ("freedom", &["sky", "open road"]),
    ("future", &["technology", "city at night"]),
    ("galaxy", &["stars", "night sky"]),
    ("glacier", &["ice", "mountain"]),
    ("government", &["parliament", "city"]),
    ("happiness", &["smiling people", "friends"]),
    ("harbour", &["port", "boats"]),
    ("health", &["doctor", "healthy food"]),
    ("history", &["old building", "museum"]),
    ("internet", &["computer", "network"]),
    ("investment", &["money", "business"]),
    ("kitchen", &["cooking", "home"]),
    ("lighthouse", &["coast", "sea"]),
    ("love", &["couple", "heart"]),
    ("medicine", &["pills", "hospital"]),
    ("memory", &["old photos", "brain"]),
    ("money", &["cash", "bank"]),
    ("music", &["concert", "guitar"]),
    ("ocean", &["sea", "waves"]),
    ("planet", &["earth", "space"]),
    ("pollution", &["smoke", "factory"]),
    ("productivity", &["office", "work"]),
    ("quantum", &["physics", "laboratory"]),
    ("river", &["water", "nature"]),
    ("robot", &["machine", "technology"]),
    ("rocket", &["space", "launch"]),
    ("sailor", &["ship", "sea"]),
    ("science", &["laboratory", "research"]),
    ("ship", &["boat", "sea"]),
    ("sleep", &["bed", "night"]),
    ("startup", &["office", "team meeting"]),
    ("storm", &["clouds", "rain"]),
    ("stress", &["tired person", "office"]),
    ("success", &["celebration", "mountain top"]),
    ("tide", &["beach", "waves"]),
    ("time", &["clock", "hourglass"]),
    ("train", &["railway", "station"]),
    ("travel", &["airport", "landscape"]),
    ("volcano", &["lava", "mountain"]),
    ("war", &["soldiers", "ruins"]),
    ("wealth", &["luxury", "money"]),
    ("whale", &["ocean", "underwater"]),
    ("work", &["office", "people working"]),
];

/// The questions for a scene, most telling first and never the same twice.
pub fn questions(
    terms: &[String],
    keywords: &[String],
    language: &Language,
    synonyms: &BTreeMap<String, Vec<String>>,
) -> Vec<String> {
    let mut found = Questions::default();
    for term in terms.iter().take(TERMS_MAX) {
        found.add(term);
    }
    let parts = if terms.is_empty() { keywords } else { terms };
    let phrases: Vec<Vec<String>> =
        parts.iter().map(|part| content(part, language)).filter(|words| !words.is_empty()).collect();
    let single: Vec<&String> = phrases.iter().flatten().collect();
    found.add(&single.iter().take(WORDS_MAX).map(|word| word.as_str()).collect::<Vec<_>>().join(" "));
    // What somebody wrote as one keyword (`night sky`) means more together than its words alone.
    for phrase in phrases.iter().take(2) {
        found.add(&phrase.iter().take(WORDS_MAX).map(String::as_str).collect::<Vec<_>>().join(" "));
    }
    for word in single.iter().take(2) {
        found.add(word);
    }
    for word in &single {
        for other in synonyms.get(word.as_str()).into_iter().flatten().chain(broader(word).iter()) {
            found.add(other);
        }
    }
    for word in single.iter().skip(2) {
        found.add(word);
    }
    found.0
}

/// The words of a keyword that carry a subject, as they are written.
fn content(part: &str, language: &Language) -> Vec<String> {
    words(part)
        .into_iter()
        .filter(|word| !is_stop(&word.folded, language))
        .map(|word| word.text.to_lowercase())
        .collect()
}

/// Broader words for a word; its plural has those of its singular.
fn broader(word: &str) -> Vec<String> {
    let find =
        |word: &str| BROADER.binary_search_by(|(key, _)| (*key).cmp(word)).ok().map(|at| BROADER[at].1);
    let plain = word.strip_suffix("es").and_then(find).or_else(|| word.strip_suffix('s').and_then(find));
    find(word).or(plain).into_iter().flatten().map(|word| (*word).to_owned()).collect()
}

#[derive(Default)]
struct Questions(Vec<String>);

impl Questions {
    fn add(&mut self, text: &str) {
        let text: String = text.chars().take(CHARS_MAX).collect();
        let text = text.trim().to_owned();
        if !text.is_empty() && self.0.len() < QUESTIONS_MAX && !self.0.contains(&text) {
            self.0.push(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(keywords: &[&str], synonyms: &[(&str, &[&str])]) -> Vec<String> {
        let keywords: Vec<String> = keywords.iter().map(|word| (*word).to_owned()).collect();
        let own = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect();
        let synonyms = synonyms.iter().map(|(word, list)| ((*word).to_owned(), own(list))).collect();
        questions(&[], &keywords, &Language::of("en"), &synonyms)
    }

    #[test]
    fn search_terms_are_asked_for_as_they_are_before_their_words() {
        let terms = ["lighthouse in a winter storm", "rough sea"].map(str::to_owned);
        let asked = questions(&terms, &["fyr".to_owned()], &Language::of("en"), &BTreeMap::new());
        assert_eq!(
            asked[..4],
            ["lighthouse in a winter storm", "rough sea", "lighthouse winter storm", "lighthouse"]
        );
        assert!(!asked.contains(&"fyr".to_owned()), "another language's words find nothing");
    }

    #[test]
    fn questions_go_from_telling_to_broad() {
        assert_eq!(
            ask(&["lighthouses", "the night sky", "storm", "wall"], &[("sky", &["heaven"])]),
            [
                "lighthouses night sky",
                "lighthouses",
                "night sky",
                "night",
                "coast",
                "sea",
                "heaven",
                "clouds"
            ]
        );
    }

    #[test]
    fn nothing_is_asked_twice_and_nothing_about_nothing() {
        assert_eq!(ask(&["moon"], &[]), ["moon"]);
        assert_eq!(ask(&["The", " ", "of the"], &[]), Vec::<String>::new());
        let long = "a".repeat(300);
        assert!(ask(&[&long], &[])[0].len() <= CHARS_MAX);
    }

    #[test]
    fn the_table_is_in_order_so_that_it_can_be_searched() {
        assert!(BROADER.is_sorted_by(|a, b| a.0 < b.0));
    }
}
