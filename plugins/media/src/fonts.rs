//! Which fonts this machine has and which letters are in them, as fontconfig says it. libass draws with the same
//! library's answers. It is loaded when it is first asked; machines that draw no text need none.
#![expect(unsafe_code, reason = "fontconfig has no safe door")]

use crate::error::{Error, Result};
use libloading::{Library, Symbol};
use std::collections::BTreeSet;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// fontconfig's own numbers for weights.
const REGULAR: c_int = 80;
const BOLD: c_int = 200;
/// What the last page of a set of letters is followed by.
const DONE: u32 = u32::MAX;
/// Faces of a file that are looked at.
const FACES_MAX: c_int = 64;

type Object = *mut c_void;

/// A font that libass can draw with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Font {
    /// Its family, by which ASS names it.
    pub family: String,
    /// Its file.
    pub file: PathBuf,
    weight: c_int,
    slant: c_int,
    width: c_int,
    /// Whether its letters are lines; pictures of letters (colour emoji) cannot be drawn.
    outlines: bool,
    /// The letters in it: the number of the first of 256, and a bit for each.
    pages: Vec<(u32, [u32; 8])>,
}

impl Font {
    /// Whether it has a letter.
    #[must_use]
    pub fn has(&self, letter: char) -> bool {
        let code = u32::from(letter);
        let page = self.pages.binary_search_by_key(&(code & !0xff), |(base, _)| *base);
        page.is_ok_and(|at| self.pages[at].1[(code as usize & 0xff) / 32] >> (code & 31) & 1 == 1)
    }

    /// How far it is from an upright face of ordinary width and the wanted weight.
    fn distance(&self, bold: bool) -> c_int {
        let weight = if bold { BOLD } else { REGULAR };
        (self.weight - weight).abs() + self.slant.abs() * 2 + (self.width - 100).abs() * 3
    }
}

/// The face of a family that is nearest to upright and of ordinary width; nothing when it is not installed.
pub fn font_of_family(family: &str, bold: bool) -> Result<Option<Font>> {
    let library = Fontconfig::get()?;
    let pattern = library.pattern();
    pattern.add_text("family", family);
    Ok(library.list(&pattern).into_iter().filter(|font| font.outlines).min_by_key(|font| font.distance(bold)))
}

/// The first face of a file that can be drawn with.
pub fn font_of_file(path: &Path) -> Result<Font> {
    let library = Fontconfig::get()?;
    let name = CString::new(path.as_os_str().as_bytes()).map_err(|e| Error::input(path, e))?;
    let mut count = 1;
    let mut index = 0;
    while index < count.min(FACES_MAX) {
        // SAFETY: the name lives through the call, and the count is written before it returns.
        let raw = unsafe {
            library.function::<unsafe extern "C" fn(*const c_char, c_int, Object, *mut c_int) -> Object>(
                b"FcFreeTypeQuery\0",
            )(name.as_ptr(), index, std::ptr::null_mut(), &raw mut count)
        };
        if !raw.is_null()
            && let Some(font) = (Pattern { library, raw }).font()
            && font.outlines
        {
            return Ok(Font { file: path.to_owned(), ..font });
        }
        index += 1;
    }
    Err(Error::input(path, "it holds no font with outlines (TrueType or OpenType)"))
}

/// A font that has a letter, the one that fontconfig finds best for the language (such as `ja`) if it knows one.
pub fn font_with(letter: char, language: Option<&str>, bold: bool) -> Result<Option<Font>> {
    let library = Fontconfig::get()?;
    let best = library.pattern();
    best.add_text("family", "sans-serif");
    best.add_letter(letter);
    if let Some(language) = language {
        best.add_text("lang", language);
    }
    let best = library.best(&best).filter(|font| font.outlines && font.has(letter));
    if best.is_some() {
        return Ok(best);
    }
    let any = library.pattern();
    any.add_letter(letter);
    let all = library.list(&any).into_iter().filter(|font| font.outlines && font.has(letter));
    Ok(all.min_by_key(|font| (font.distance(bold), font.family.clone())))
}

/// What the machine shows text in where nothing is chosen.
pub fn usual_font(bold: bool) -> Result<Option<Font>> {
    let library = Fontconfig::get()?;
    let pattern = library.pattern();
    pattern.add_text("family", "sans-serif");
    let Some(found) = library.best(&pattern) else { return Ok(None) };
    font_of_family(&found.family, bold)
}

/// Families that are installed, in the order of the alphabet.
pub fn font_families() -> Result<Vec<String>> {
    let library = Fontconfig::get()?;
    let all = library.list(&library.pattern());
    let names: BTreeSet<String> = all.into_iter().filter(|f| f.outlines).map(|f| f.family).collect();
    Ok(names.into_iter().collect())
}

/// The library, loaded and set up.
struct Fontconfig(Library);

impl Fontconfig {
    fn get() -> Result<&'static Self> {
        static LOADED: OnceLock<Option<Fontconfig>> = OnceLock::new();
        let loaded = LOADED.get_or_init(|| {
            // SAFETY: fontconfig's set-up has no preconditions; the library stays loaded for good.
            let library = unsafe { Library::new("libfontconfig.so.1") }.ok()?;
            let library = Self(library);
            // SAFETY: the signature is fontconfig's; what it finds is kept by itself.
            let ready = unsafe { library.function::<unsafe extern "C" fn() -> c_int>(b"FcInit\0")() };
            (ready != 0).then_some(library)
        });
        loaded.as_ref().ok_or_else(|| Error::Missing { what: "fontconfig (libfontconfig.so.1)".into() })
    }

    /// A function by its name.
    ///
    /// # Safety
    /// `F` has to be its signature.
    unsafe fn function<F>(&self, name: &[u8]) -> Symbol<'_, F> {
        // SAFETY: as the caller promises; every name here is in the library since version 2.4.
        unsafe { self.0.get(name) }.unwrap_or_else(|e| panic!("fontconfig lacks a function: {e}"))
    }

    fn pattern(&'static self) -> Pattern {
        // SAFETY: the signature is fontconfig's; the pattern belongs to whoever made it.
        let raw = unsafe { self.function::<unsafe extern "C" fn() -> Object>(b"FcPatternCreate\0")() };
        Pattern { library: self, raw }
    }

    /// All fonts that a pattern fits.
    fn list(&'static self, pattern: &Pattern) -> Vec<Font> {
        /// fontconfig's list of patterns.
        #[repr(C)]
        struct FontSet {
            count: c_int,
            room: c_int,
            fonts: *mut Object,
        }
        // SAFETY: all pointers come from the library and are freed once; the patterns of a list belong to it, so
        // that each is only looked at while it lives.
        unsafe {
            let objects = self.function::<unsafe extern "C" fn() -> Object>(b"FcObjectSetCreate\0")();
            let add =
                self.function::<unsafe extern "C" fn(Object, *const c_char) -> c_int>(b"FcObjectSetAdd\0");
            for name in [c"family", c"file", c"weight", c"slant", c"width", c"outline", c"color", c"charset"]
            {
                add(objects, name.as_ptr());
            }
            let set =
                self.function::<unsafe extern "C" fn(Object, Object, Object) -> *mut FontSet>(
                    b"FcFontList\0",
                )(std::ptr::null_mut(), pattern.raw, objects);
            self.function::<unsafe extern "C" fn(Object)>(b"FcObjectSetDestroy\0")(objects);
            if set.is_null() {
                return Vec::new();
            }
            let count = usize::try_from((*set).count).unwrap_or(0);
            let fonts = (0..count)
                .filter_map(|at| {
                    let borrowed =
                        std::mem::ManuallyDrop::new(Pattern { library: self, raw: *(*set).fonts.add(at) });
                    borrowed.font()
                })
                .collect();
            self.function::<unsafe extern "C" fn(*mut FontSet)>(b"FcFontSetDestroy\0")(set);
            fonts
        }
    }

    /// The font that fits a pattern best.
    fn best(&'static self, pattern: &Pattern) -> Option<Font> {
        let mut result: c_int = 0;
        // SAFETY: the pattern lives; null stands for the usual configuration; the answer belongs to us.
        let raw =
            unsafe {
                self.function::<unsafe extern "C" fn(Object, Object, c_int) -> c_int>(
                    b"FcConfigSubstitute\0",
                )(std::ptr::null_mut(), pattern.raw, 0);
                self.function::<unsafe extern "C" fn(Object)>(b"FcDefaultSubstitute\0")(pattern.raw);
                self.function::<unsafe extern "C" fn(Object, Object, *mut c_int) -> Object>(b"FcFontMatch\0")(
                    std::ptr::null_mut(),
                    pattern.raw,
                    &raw mut result,
                )
            };
        if raw.is_null() {
            return None;
        }
        Pattern { library: self, raw }.font()
    }
}

/// What is wanted of a font, or what a font is.
struct Pattern {
    library: &'static Fontconfig,
    // Invariant: a live pattern of the library.
    raw: Object,
}

impl Pattern {
    fn add_text(&self, what: &str, text: &str) {
        let (Ok(what), Ok(text)) = (CString::new(what), CString::new(text)) else { return };
        // SAFETY: the pattern lives, and both texts are copied.
        unsafe {
            self.library.function::<unsafe extern "C" fn(Object, *const c_char, *const c_char) -> c_int>(
                b"FcPatternAddString\0",
            )(self.raw, what.as_ptr(), text.as_ptr());
        }
    }

    fn add_letter(&self, letter: char) {
        // SAFETY: the pattern lives; the set of letters is copied into it and then freed.
        unsafe {
            let set = self.library.function::<unsafe extern "C" fn() -> Object>(b"FcCharSetCreate\0")();
            self.library.function::<unsafe extern "C" fn(Object, u32) -> c_int>(b"FcCharSetAddChar\0")(
                set,
                letter.into(),
            );
            self.library.function::<unsafe extern "C" fn(Object, *const c_char, Object) -> c_int>(
                b"FcPatternAddCharSet\0",
            )(self.raw, c"charset".as_ptr(), set);
            self.library.function::<unsafe extern "C" fn(Object)>(b"FcCharSetDestroy\0")(set);
        }
    }

    fn text(&self, what: &CStr) -> Option<Vec<u8>> {
        let mut text: *const c_char = std::ptr::null();
        // SAFETY: the pattern lives and keeps the text, which is copied before anything else is done.
        unsafe {
            let found = self.library.function::<unsafe extern "C" fn(
                Object,
                *const c_char,
                c_int,
                *mut *const c_char,
            ) -> c_int>(b"FcPatternGetString\0")(
                self.raw, what.as_ptr(), 0, &raw mut text
            );
            (found == 0 && !text.is_null()).then(|| CStr::from_ptr(text).to_bytes().to_vec())
        }
    }

    /// A number or a yes (1) or no (0).
    fn number(&self, function: &[u8], what: &CStr) -> Option<c_int> {
        let mut value = 0;
        // SAFETY: the pattern lives; both functions that are named here write one C int.
        let found =
            unsafe {
                self.library
                    .function::<unsafe extern "C" fn(Object, *const c_char, c_int, *mut c_int) -> c_int>(
                        function,
                    )(self.raw, what.as_ptr(), 0, &raw mut value)
            };
        (found == 0).then_some(value)
    }

    fn font(&self) -> Option<Font> {
        let number = |what: &CStr| self.number(b"FcPatternGetInteger\0", what);
        let is = |what: &CStr| self.number(b"FcPatternGetBool\0", what) == Some(1);
        Some(Font {
            family: String::from_utf8(self.text(c"family")?).ok()?,
            file: PathBuf::from(std::ffi::OsStr::from_bytes(&self.text(c"file").unwrap_or_default())),
            // A variable font has a range, in which every weight is.
            weight: number(c"weight").unwrap_or(REGULAR),
            slant: number(c"slant").unwrap_or(0),
            width: number(c"width").unwrap_or(100),
            outlines: is(c"outline") && !is(c"color"),
            pages: self.pages(),
        })
    }

    fn pages(&self) -> Vec<(u32, [u32; 8])> {
        type Page = unsafe extern "C" fn(Object, *mut u32, *mut u32) -> u32;
        let mut set: Object = std::ptr::null_mut();
        let mut pages = Vec::new();
        // SAFETY: the pattern lives and keeps the set of letters; each call fills eight words and moves `next` on.
        unsafe {
            let found = self
                .library
                .function::<unsafe extern "C" fn(Object, *const c_char, c_int, *mut Object) -> c_int>(
                    b"FcPatternGetCharSet\0",
                )(self.raw, c"charset".as_ptr(), 0, &raw mut set);
            if found != 0 || set.is_null() {
                return pages;
            }
            let (mut bits, mut next) = ([0_u32; 8], 0_u32);
            let mut base =
                self.library.function::<Page>(b"FcCharSetFirstPage\0")(set, bits.as_mut_ptr(), &raw mut next);
            let following = self.library.function::<Page>(b"FcCharSetNextPage\0");
            while base != DONE {
                pages.push((base, bits));
                base = following(set, bits.as_mut_ptr(), &raw mut next);
            }
        }
        pages.sort_unstable_by_key(|(base, _)| *base);
        pages
    }
}

impl Drop for Pattern {
    fn drop(&mut self) {
        // SAFETY: the pattern lives, and is not used after this.
        unsafe { self.library.function::<unsafe extern "C" fn(Object)>(b"FcPatternDestroy\0")(self.raw) }
    }
}

#[cfg(test)]
mod tests {
    use super::{font_families, font_of_family, font_of_file, font_with};
    use std::path::Path;

    #[test]
    fn a_family_is_found_with_its_letters() {
        let font = font_of_family("dejavu sans", true).unwrap().unwrap();
        assert!(font.file.ends_with("DejaVuSans-Bold.ttf"), "{}", font.file.display());
        assert!(
            font.has('a') && font.has('é') && font.has('ш') && !font.has('潮') && !font.has('\u{10ffff}')
        );
        let plain = font_of_family("DejaVu Sans", false).unwrap().unwrap();
        assert!(plain.file.ends_with("DejaVuSans.ttf") && plain.has('ع'));
        assert_eq!(font_of_family("No Such Family", false).unwrap(), None);
        assert!(font_families().unwrap().contains(&"DejaVu Sans".to_owned()));
    }

    #[test]
    fn a_letter_leads_to_a_font_that_has_it() {
        let serif = font_of_family("DejaVu Serif", false).unwrap().unwrap();
        assert!(!serif.has('ع'));
        assert!(font_with('ع', Some("ar"), false).unwrap().unwrap().has('ع'));
        assert_eq!(font_with('\u{e7f3}', None, false).unwrap().map(|f| f.family), None);
    }

    #[test]
    fn a_file_says_what_it_is_and_other_files_that_they_are_none() {
        let installed = font_of_family("DejaVu Sans Mono", false).unwrap().unwrap();
        let read = font_of_file(&installed.file).unwrap();
        assert_eq!((read.family.as_str(), read.has('x')), ("DejaVu Sans Mono", true));
        let error = font_of_file(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))).unwrap_err();
        assert!(error.to_string().contains("no font"), "{error}");
    }
}
