import pytest
from hypothesis import given
from hypothesis import strategies as st

from akin.papers.text import display_text
from akin.papers.text.mathematics import mathematics


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        # What belongs to a document, not to a title.
        (r"\ensuremath{\alpha}-decay\footnote{Supported by X.} of $x$", r"$\alpha$-decay of $x$"),
        (r"\label{t}Dust as in \cite{Verne1} and \citep[p. 3]{Roth2}", "Dust as in [Verne1] and [Roth2]"),
        (r"Dust\footnote{$x$} and \cite[$y$]{Roth2}", r"Dust\footnote{$x$} and \cite[$y$]{Roth2}"),
        # Accents and letters, in all spellings.
        ("Ond\\v{r}ej \\v{S}t\\v{e}tina, G\\'abor Sz\\H{u}cs, Emine Do\\u{g}an",
         "Ondřej Štětina, Gábor Szűcs, Emine Doğan"),
        ("L\\'evy flights on the M\\\"obius ladder", "Lévy flights on the Möbius ladder"),
        ("{\\'E}cole, G{\\\"o}del, na\\\"{\\i}ve, na{\\\"\\i}ve, \\^\\i le", "École, Gödel, naïve, naïve, île"),
        ("Fran\\c cois, Fran\\c{c}ois, W\\k{a}s, \\r{A}ngstr\\\"om, \\d{H}asan, \\=a\\.z",
         "François, François, Wąs, Ångström, Ḥasan, āż"),
        ("\\~{n}, Se\\~nor, \\' c, Mar\\'{\\I}a, \\\"{Uber}", "ñ, Señor, ć, MarÍa, Über"),
        ("B{\\\"}ohm", "Böhm"),
        ("Nguy\\~{\\^e}n, \\'{\\^{o}}", "Nguyễn, ố"),
        ("{\\O}rsted, S\\o ren, Stra\\ss e, \\L{}ukasz, \\AE sir, \\DJ or\\dj e",
         "Ørsted, Søren, Straße, Łukasz, Æsir, Đorđe"),
        # Markup, braces, escapes.
        ("{BERT} and {D}eep {{GAN}s}", "BERT and Deep GANs"),
        ("\\emph{very \\textbf{bold}}, {\\it in vivo}, \\texttt{x\\_y}", "very bold, in vivo, x_y"),
        ("\\textit{the $x_{1}$ of} {A $\\alpha$}", "the $x_{1}$ of A $\\alpha$"),
        ("R\\&D, 5\\% of snake\\_case \\#1, \\$5 and \\$6, \\{a\\}", "R&D, 5% of snake_case #1, $5 and $6, {a}"),
        ("Smith~et~al., Fig.~3, ~5 GeV, 1990--1995---or so", "Smith et al., Fig. 3, ~5 GeV, 1990–1995—or so"),
        ("``quoted'' and `single' f''", "“quoted” and ‘single’ f”"),
        ("the --flag option, don't, f''", "the --flag option, don't, f''"),
        ("see \\url{https://a.org/~b_c--d} or http://a.org/~x", "see https://a.org/~b_c--d or http://a.org/~x"),
        ("{\\alpha}-decay at 90{\\deg}, \\LaTeX{} in {\\mu}m, a\\,b\\ c\\\\d", "α-decay at 90°, LaTeX in μm, a b c d"),
        ("\\b{eta}-Ga", "\\b{eta}-Ga"),
        ("\\href{https://a.org/x}{here}, \\href{https://b.org}{https://b.org}", "here (https://a.org/x), https://b.org"),
        ("O\\textquoteright Neil, \\.{\\i}", "O’Neil, i"),
        ("Ca\\textsuperscript{2+}, H\\textsubscript{2}O", "Ca²⁺, H₂O"),
        # What is not known, or not meant as TeX, stays.
        ("\\foo{x} M_{g,n} {1, 2} a_{i}", "\\foo{x} M_{g,n} {1, 2} a_{i}"),
        ("a { b } c } d { \\", "a b c } d { \\"),
        # Mathematics stays.
        ("$\\'e \\alpha--{x}~y$ and \\(\\v{S}\\) and \\[{\\bf x}\\] or $$a~b$$",
         "$\\'e \\alpha--{x}~y$ and \\(\\v{S}\\) and \\[{\\bf x}\\] or $$a~b$$"),
        ("cost $5 and \\'e, $6 of {X}", "cost $5 and é, $6 of X"),
        ("$x$ {A}\n{B} $y", "$x$ A\nB $y"),
        ("", ""),
    ],
)  # fmt: skip
def test_display_text(text: str, shown: str) -> None:
    assert display_text(text) == shown


@pytest.mark.parametrize(
    ("text", "formulas"),
    [
        ("a $x$ b $$y$$ c \\(z\\) d \\[w\\]", ["$x$", "$$y$$", "\\(z\\)", "\\[w\\]"]),
        ("$ O(n)$ and $ a b + c $", ["$ O(n)$", "$ a b + c $"]),
        ("from $5 to $10, then $x$", ["$x$"]),
        ("from $5 to $10, $x$ and $10$", ["$x$", "$10$"]),
        ("US$ and A$ for $n$", ["$n$"]),
        ("\\$5 and \\$6, $\\$$", ["$\\$$"]),
        ("an unpaired $x\nand $y", []),
        ("$a$$b$", ["$a$", "$b$"]),
        ("\\\\(not) \\( \\( x \\)", ["\\( x \\)"]),
    ],
)
def test_mathematics(text: str, formulas: list[str]) -> None:
    assert [text[start:end] for start, end in mathematics(text)] == formulas


@given(st.text(st.sampled_from("abé \\{}$'\"vi~-`\n&(")) | st.text())
def test_no_text_breaks_it_and_formulas_stay(text: str) -> None:
    shown = display_text(text)
    assert all(text[start:end] in shown for start, end in mathematics(text))
    assert "\ufdd1" not in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (r"Price is \$5 and 3$", r"Price is \$5 and 3$"),
        (r"\$x=3\$ is money", r"\$x=3\$ is money"),
        (r"\$5 for $x$", "$5 for $x$"),
        (r"From \$5 to \$10", "From $5 to $10"),
    ],
)
def test_a_dollar_that_is_money_begins_no_formula(text, shown):
    assert display_text(text) == shown
