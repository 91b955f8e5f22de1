//! Stems and stop words. The stemmer is light on purpose: it only has to give one form to the forms of one word,
//! so that "lighthouses" finds "lighthouse"; the form need not be a word.

use crate::Language;

/// Endings a language adds, longest first.
fn endings(language: &Language) -> &'static [&'static str] {
    match language.tag() {
        "en" => &["ingly", "edly", "ings", "ing", "ies", "ied", "ed", "es", "ly", "y", "s", "e"],
        "no" | "da" | "sv" => &["ene", "ane", "ers", "ar", "er", "en", "et", "s", "e", "a"],
        "de" | "nl" => &["ern", "en", "er", "es", "em", "n", "e", "s"],
        "fr" => &["ements", "ement", "ees", "ee", "es", "er", "s", "e"],
        "es" | "pt" | "it" => &["mente", "os", "as", "es", "o", "a", "e", "i", "s"],
        _ => &[],
    }
}

/// The common form of a folded word. A word of up to three letters stays as it is.
#[must_use]
pub fn stem(folded: &str, language: &Language) -> String {
    const LETTERS_MIN: usize = 3;
    let mut stem = folded;
    if folded.is_ascii() {
        let ending = endings(language)
            .iter()
            .find(|ending| folded.ends_with(**ending) && folded.len() >= ending.len() + LETTERS_MIN);
        stem = &folded[..folded.len() - ending.map_or(0, |e| e.len())];
        // "running" and "run", "glasses" and "glass" meet once the doubled letter is single.
        let mut letters = stem.bytes().rev();
        if stem.len() > LETTERS_MIN && letters.next() == letters.next() {
            stem = &stem[..stem.len() - 1];
        }
    }
    stem.to_owned()
}

/// Whether a folded word says nothing about the subject: articles, pronouns, common verbs, bare numbers of one
/// digit. An unknown language has no stop words but these digits.
#[must_use]
pub fn is_stop(folded: &str, language: &Language) -> bool {
    if folded.len() == 1 && folded.is_ascii() {
        return true;
    }
    let list = match language.tag() {
        "en" => EN,
        "no" | "da" => NO,
        "de" => DE,
        "fr" => FR,
        "es" => ES,
        "zh" => ZH,
        _ => "",
    };
    list.split_ascii_whitespace().any(|stop| stop == folded)
}

const EN: &str = "about above across after again against ago all almost along already also although always am an \
and another any anything are around as at away back be became because become becomes been before behind being \
below beside between both but by came can cannot come comes could did do does doing done down during each either \
else enough even ever every everything far few first for from further gave get gets give given gives go goes \
going gone good got great had has have having he her here hers him his how however i if in into is isnt it its \
itself just keep keeps kept know known last least less let lets like little long look looks lot made make makes \
making many may me might more most much must my near nearly need never new next no nor not nothing now of off \
often old on once one only onto or other others our ours out over own part perhaps put puts quite rather really \
right said same saw say says second see seen several shall she should since small so some someone something \
sometimes still such take taken takes than that thats the their theirs them then there these they thing things \
think this those though three through thus till time times to together too took toward towards turn turns two \
under until up upon us use used uses very was way we well went were what when where whether which while who whole \
whom whose why will with within without would yet you your yours dont doesnt didnt wont cant youre theyre";
const NO: &str = "alle alt andre at av bare ble bli blir da de deg dem den denne der deres det dette din disse du \
eller en enn er et etter for fra fordi ga gir gjor gjore ha hadde han har henne her hun hva hvem hver hvis hvor \
hvordan i ikke inn ingen jeg kan kom kommer kunne la litt man mange med meg men mer mest min mot mye ma na nar \
noe noen nok nye og ogsa om opp oss over pa sa samme seg selv sin sine skal skulle slik som sta til to under ut \
uten var ved vi vil ville vare vaert";
const DE: &str = "aber alle als also am an auch auf aus bei bin bis da damit dann das dass dein dem den der des \
dich die dies diese diesem diesen dieser dieses dir doch dort du durch ein eine einem einen einer eines er es \
etwas fur gegen hab haben hat hatte hier hin ich ihr ihre ihm ihn im in ist ja jede jeder jetzt kann kein keine \
konnen machen man mehr mein mit nach nicht noch nun nur ob oder ohne sehr sein seine sich sie sind so uber um \
und uns unter vom von vor wann war waren was weil wenn wer werden wie wieder will wir wird wo zu zum zur zwei";
const FR: &str = "a ai alors au aucun aussi autre aux avant avec avoir car ce cela ces cet cette chaque comme \
comment dans de des deux donc du elle elles en encore est et etre eu fait font il ils je jusque la le les leur \
leurs lui ma mais me meme mes moi mon ne nos notre nous on ont ou par parce pas peu peut plus pour pourquoi qu \
quand que quel quelle qui sa sans se ses si son sont sous sur ta tant te tes toi ton tous tout toute tres tu un \
une vos votre vous y";
const ES: &str = "a al algo alguno ante antes aqui asi aun aunque bajo bien cada como con contra cual cuando de \
del desde donde dos e el ella ellas ellos en entre era es esa ese eso esta estan este esto fue ha han hasta hay \
la las le les lo los mas me mi mientras muy nada ni no nos nosotros o otra otro para pero poco por porque que \
quien se sea ser si sin sobre solo son su sus tambien tan te tiene todo tu un una uno y ya yo";
const ZH: &str = "这个 那个 我们 他们 你们 一个 没有 可以 就是 因为 所以 但是 如果 这些 那些 什么 怎么 不是 也是 还有 \
的是 了一 是一 有一 在一 都是 它的 它们 自己 时候 以及 而且";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_one_word_meet() {
        let groups: &[(&str, &[&str])] = &[
            ("en", &["lighthouse", "lighthouses"]),
            ("en", &["wave", "waves", "waving"]),
            ("en", &["run", "runs", "running"]),
            ("en", &["city", "cities"]),
            ("en", &["glass", "glasses"]),
            ("no", &["bolge", "bolger", "bolgene", "bolgen"]),
            ("de", &["welle", "wellen"]),
        ];
        for (tag, forms) in groups {
            let language = Language::of(tag);
            let stems: Vec<_> = forms.iter().map(|form| stem(form, &language)).collect();
            assert!(stems.windows(2).all(|pair| pair[0] == pair[1]), "{forms:?} gave {stems:?}");
        }
    }

    #[test]
    fn different_words_stay_apart() {
        let en = Language::of("en");
        for (one, other) in [("tide", "tidy"), ("sea", "seal"), ("moon", "moor"), ("ship", "shop")] {
            let meet = stem(one, &en) == stem(other, &en);
            // The one price of a light stemmer that is written down here.
            assert_eq!(meet, one == "tide", "{one} and {other}");
        }
        assert_eq!(stem("sea", &en), "sea");
        assert_eq!(stem("潮水", &en), "潮水");
    }

    #[test]
    fn stop_words_are_known_by_language() {
        assert!(is_stop("the", &Language::of("en-GB")));
        assert!(!is_stop("lighthouse", &Language::of("en")));
        assert!(is_stop("und", &Language::of("de")));
        assert!(!is_stop("und", &Language::of("en")));
    }
}
