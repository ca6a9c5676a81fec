// Writes wordpiece_vocab.txt, a small vocabulary, and wordpiece.jsonl, what Hugging Face's `tokenizers` makes of texts with
// it:
//
//   npm install tokenizers                       # 0.23.2, in any folder
//   NODE_PATH=that/node_modules node tests/golden/record_wordpiece.mjs
//
// A line of wordpiece.jsonl is a call: "text" (or "bytes", in hexadecimal, where it is not UTF-8), "pair", "length" (what
// it is cut to, with the specials), options that are not the default, whether specials spelt out count ("added"); and the
// answer: "ids", "types", "cut".
import { createRequire } from 'node:module'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const T = createRequire(import.meta.url)('tokenizers')
const folder = path.dirname(fileURLToPath(import.meta.url))

// --- the vocabulary -------------------------------------------------------------------------------

const words = `the of and to a in is it you that he was for on are with as i his they be at one have this from or had by hot
word but what some we can out other were all there when up use your how said an each she which do their time if will way about
many then them write would like so these her long make thing see him two has look more day could go come did number sound no
most people my over know water than call first who may down side been now find any new work part take get place made live
where after back little only round man year came show every good me give our under name very through just form sentence great
think say help low line differ turn cause much mean before move right boy old too same tell does set three want air well also
play small end put home read hand port large spell add even land here must big high such follow act why ask men change went
light kind off need house picture try us again animal point mother world near build self earth father head stand own page
should country found answer school grow study still learn plant cover food sun four between state keep eye never last let
thought city tree cross farm hard start might story saw far sea draw left late run while press close night real life few north
open seem together next white children begin got walk example ease paper group always music those both mark often letter until
mile river car feet care second book carry took science eat room friend began idea fish mountain stop once base hear horse cut
sure watch color face wood main enough plain girl usual young ready above ever red list though feel talk bird soon body dog
family direct pose leave song measure door product black short numeral class wind question happen complete ship area half rock
order fire south problem piece told knew pass since top whole king space heard best hour better true during hundred five
remember step early hold west ground interest reach fast verb sing listen six table travel less morning ten simple several
vowel toward war lay against pattern slow center love person money serve appear road map rain rule govern pull cold notice
voice unit power town fine certain fly fall lead cry dark machine note wait plan figure star box noun field rest correct able
pound done beauty drive stood contain front teach week final gave green oh quick develop ocean warm free minute strong special
mind behind clear tail produce fact street inch multiply nothing course stay wheel full force blue object decide surface deep
moon island foot system busy test record boat common gold possible plane stead dry wonder laugh thousand ago ran check game
shape equate miss brought heat snow tire bring yes distant fill east paint language among prime infinite proof equation
function code python array string integer print return sort list query router model token server phone edge please explain
hello thanks summarize translate compare difference sum average probability triangle angle radius velocity energy sky cafe
naive resume uber garcon strasse hans una 10 12 17 20 100 2024 c x y z n`.split(/\s+/)
const rests = `s ed ing er ers est ly ness ment ments able ible ful less tion tions sion al ally ity ities ous ive ize ized
izing ise ist ists ism y ies ied en ens ance ence ant ent ary ory age ship hood dom like wise ward teen ty th nd rd st ffa ble
aff re un in de dis pre pro con com ex sub super inter trans over under out up down off on or ar an at ic ics ical ology
ological graph graphy meter metre phone scope cy cracy crat arch archy 0 1 2 3 4 5 6 7 8 9 00 10 000 24`.split(/\s+/)

const span = (first, last) => Array.from({ length: last - first + 1 }, (_, i) => String.fromCodePoint(first + i))
const letters = [
    ...span(0x61, 0x7a), ...span(0x30, 0x39), ...'\u00b5\u00df\u00e6\u00f8\u00fe\u0111\u0131\u0142\u0153\u0259', ...span(0x3b1, 0x3c9),
    ...span(0x430, 0x44f), ...'\u0451\u0456\u0457', ...span(0x5d0, 0x5ea), ...span(0x621, 0x64a), ...span(0x904, 0x939),
    ...span(0x93e, 0x940), ...span(0xe01, 0xe30), ...'\u0e40\u0e41\u0e33', ...span(0x1100, 0x1112), ...span(0x1161, 0x1175),
    ...span(0x11a8, 0x11c2), ...span(0x3042, 0x3093), ...span(0x30a1, 0x30f3), '\u30fc', '\u302e', '\u302f', '\u1b44', '\u0301',
    '\u00e9', '\u0307', '\u00c9', 'A', 'H', '\u{1f600}', '\u{1d400}', '\u20ac', '\u00b0', '\ufffd', '\ue000',
]
const alone = [
    ...span(0x21, 0x2f), ...span(0x3a, 0x40), ...span(0x5b, 0x60), ...span(0x7b, 0x7e), '\u00a1', '\u00ab', '\u00bb', '\u00bf',
    '\u2013', '\u2014', '\u2018', '\u2019', '\u201c', '\u201d', '\u2026', '\u3001', '\u3002', '\uff0c',
    ...'\u4e00\u4e2d\u56fd\u6587\u5b57\u65e5\u672c\u8a9e\u4eba\u5927\u5b66\u6c34\u8c48\u3402', '\u{20000}',
]
const vocabulary = [
    ...new Set(['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', ...alone, ...letters, ...words, 'unaffable', 'Hello',
        '\u043f\u0440\u0438\u0432\u0435\u0442', '\u03ba\u03b1\u03bb\u03b7\u03bc\u03b5\u03c1\u03b1', '\u5b66\u751f', 'internationalizationism',
        ...letters.map((one) => '##' + one), ...rests.map((one) => '##' + one), '##\u043a\u0430', '##\u4e00', 'x#y', '##']),
]
fs.writeFileSync(path.join(folder, 'wordpiece_vocab.txt'), vocabulary.join('\n') + '\n')
const vocab = Object.fromEntries(vocabulary.map((one, id) => [one, id]))

// --- the texts ------------------------------------------------------------------------------------

const texts = [
    '', ' ', '\t\r\n', 'hello', 'Hello, World!', 'unaffable', 'UNAFFABLE unaffables', 'What is 12 * 17?', 'words  and\twords\nand\r\nmore',
    'Why is the sky blue? Please explain it to a young person, step by step.', 'x'.repeat(100), 'x'.repeat(101), '\u00e9'.repeat(100),
    '\u00e9'.repeat(101), 'internationalizationism', 'internationalizationisms', 'zzqj', 'hello\u{1f4a9}', 'def f(x): return x**2  # code',
    'e.g. www.example.com/path?query=1&x=[y]{z}', "don't \u2019tis \u201cquoted\u201d \u2014 dash \u2026", '1,234.50 \u20ac 20\u00b0 10%', '$+<=>^`|~ _-',
    // accents
    'caf\u00e9', 'cafe\u0301', 'CAF\u00c9', 'na\u00efve r\u00e9sum\u00e9 \u00dcber gar\u00e7on', '\u00c5ngstr\u00f6m \u212b \u1e69', 'Stra\u00dfe STRASSE \u1e9e',
    '\u0130stanbul \u0131', '\u0141\u00f3d\u017a \u0110\u1eb7ng', 'a\u0301\u0327b', '\u0301abc', 'a \u0301 b', '.\u0301.', 'K\u212a \u2126',
    // characters that change places once their marks are gone
    '\u302e\u1b44', '\u1b44\u302e', 'a\u302e\u1b44\u302f', '\u302e\u0301\u1b44', '\u302e\u0901\u1b44', '\u302e\u200b\u1b44', '\u302ea\u1b44', '\u4e2d\u302e\u1b44',
    // scripts
    '\u041f\u0440\u0438\u0432\u0435\u0442, \u043a\u0430\u043a \u0434\u0435\u043b\u0430? \u0419\u043e\u0433\u0430 \u0401\u0436', '\u039a\u03b1\u03bb\u03b7\u03bc\u03ad\u03c1\u03b1 \u03a3\u03a3 \u03cc\u03c3\u03bf\u03c2\u037e \u0387',
    '\u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd \ufb2a', '\u0645\u064e\u0631\u0652\u062d\u064e\u0628\u064b\u0627\u060c \u0622', '\u0928\u092e\u0938\u094d\u0924\u0947 \u0939\u093f\u0928\u094d\u0926\u0940\u0964 \u0958',
    '\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 \u0e19\u0e49\u0e33', '\ud55c\uad6d\uc5b4 \uae00', '\u1112\u1161\u11ab', '\u4e2d\u56fd\u6587\u5b57\u3002', '\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8\u3001\u304c\u30ac', 'abc\u4e00def',
    '\uf900\u3402 \u{2f800} \u{20000}\u{2b820}\u{2b920}', '\uff28\uff45\uff4c\uff4c\uff4f\uff0c', '\u{1d400}\u{10400}\u{1e900}', '\u166d \u2e43 \u{11a3f}',
    // controls, spaces, what is no character
    'a\u0000b\u0001c\u007fd\u0085e', 'a\u000bb\u000cc\u001cd\u001fe', 'a\u00adb\u200bc\u200dd\ufeffe', 'a\u00a0b\u2003c\u2028d\u3000e', 'a\ufffdb \ue000 \u{f0000}', 'a\ufffeb\u0378c',
    // emoji
    '\u{1f600}', 'hello\u{1f600}!', '\u{1f468}\u200d\u{1f469}\u200d\u{1f467} \u2764\ufe0f \u{1f1e9}\u{1f1ea} \u{1f44d}\u{1f3fd}',
    // tokens that look like others
    '[SEP]', 'a[SEP]b [CLS]', '[sep] [ SEP ] [[MASK]]', '[PAD][UNK]', '##ing', 'x#y', '##', 'Hello A H', '\u00c9',
    // long, across the blocks in which text is read
    'one two three, '.repeat(20), 'a'.repeat(63) + ' ' + 'b'.repeat(64) + '.' + 'c'.repeat(65), 'the '.repeat(300) + 'caf\u00e9 ' + 'and '.repeat(300),
    'x'.repeat(1500) + ' the end', '\u4e2d'.repeat(700), ' '.repeat(1200) + 'word', '.'.repeat(1100), 'caf\u00e9'.repeat(400) + ' the end', 'the\u00a0'.repeat(400),
    'a'.repeat(1023) + ' b', 'a '.repeat(511) + 'a.b', 'a '.repeat(511) + 'word word', 'a '.repeat(511) + '\u00e9t\u00e9 word',
]
const broken = ['80', '6180', '61ff62', 'c3', '61c362', 'e282', 'e28261', 'f09f98', '61f09f9862', 'f09f9880ff', 'eda080', 'c0af', 'f4908080', 'fefe20ff2e']
const pairs = [
    ['', ''], ['hello', ''], ['', 'hello'], ['What is it?', 'It is water.'], ['a b c d e f g h', 'one two'], ['one two', 'a b c d e f g h'],
    // both longer than the room: which counts as the longer one
    ['a b c d e f g h i', 'a b c d e f g'], ['a b c d e f g', 'a b c d e f g h i'], ['unaffables unaffables', 'a b c d e f g'],
    ['a b c d e f g h i', 'one two three four five six seven'], ['unaffables unaffables', 'caf\u00e9 [SEP] caf\u00e9'], ['x'.repeat(101), '\u4e2d\u56fd\u6587\u5b57'],
]
const choices = [
    { lowercase: false }, { strip_accents: false }, { lowercase: false, strip_accents: true }, { clean_text: false }, { isolate_cjk: false },
    { lowercase: false, clean_text: false, isolate_cjk: false }, { longest_word: 5 },
]

function reference({ lowercase = true, strip_accents, clean_text = true, isolate_cjk = true, longest_word = 100, added = true }) {
    const model = T.WordPiece.init(vocab, { unkToken: '[UNK]', continuingSubwordPrefix: '##', maxInputCharsPerWord: longest_word })
    const tokenizer = new T.Tokenizer(model)
    tokenizer.setNormalizer(T.bertNormalizer({
        lowercase, stripAccents: strip_accents ?? lowercase, cleanText: clean_text, handleChineseChars: isolate_cjk,
    }))
    tokenizer.setPreTokenizer(T.bertPreTokenizer())
    tokenizer.setPostProcessor(T.bertProcessing(['[SEP]', vocab['[SEP]']], ['[CLS]', vocab['[CLS]']]))
    if (added) tokenizer.addSpecialTokens(['[UNK]', '[CLS]', '[SEP]', '[PAD]', '[MASK]'])
    return tokenizer
}

const lines = []
async function record(call) {
    const tokenizer = reference(call)
    if (call.length) tokenizer.setTruncation(call.length)
    const text = call.text ?? new TextDecoder('utf-8', { ignoreBOM: true }).decode(Buffer.from(call.bytes, 'hex'))
    const answer = await tokenizer.encode(text, call.pair ?? null)
    lines.push(JSON.stringify({ ...call, ids: answer.getIds(), types: answer.getTypeIds(), cut: answer.getOverflowing().length > 0 }))
}

for (const text of texts) await record({ text })
for (const bytes of broken) await record({ bytes })
for (const choice of choices) for (const text of texts.filter((one) => one.length < 100)) await record({ text, ...choice })
for (const bytes of broken) await record({ bytes, clean_text: false })
for (const text of texts.filter((one) => one.includes('[') || one.length === 0)) await record({ text, added: false })
for (const length of [2, 3, 5, 8, 16]) for (const text of ['', 'hello', 'unaffables unaffables', 'a b c d e f', '\u4e2d\u56fd\u6587\u5b57']) await record({ text, length })
for (const [text, pair] of pairs) await record({ text, pair })
for (const length of [3, 4, 5, 6, 7, 8, 9, 12, 20]) for (const [text, pair] of pairs) await record({ text, pair, length })
// JSON that is ASCII alone can be read by everything
const ascii = (line) => line.replace(/[\u007f-\uffff]/g, (one) => '\\u' + one.charCodeAt(0).toString(16).padStart(4, '0'))
fs.writeFileSync(path.join(folder, 'wordpiece.jsonl'), lines.map(ascii).join('\n') + '\n')
console.log(`${vocabulary.length} tokens, ${lines.length} calls`)
