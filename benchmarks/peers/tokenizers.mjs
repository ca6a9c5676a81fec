// Compares `qlroute::wordpiece` with Hugging Face's `tokenizers` (npm, a binding of the program in Rust): first the
// ids, then the speed.
//
//   npm install tokenizers                                    # in any folder; NODE_PATH=that/node_modules
//   g++ -std=c++20 -O2 -I include benchmarks/peers/tokenizer_serve.cpp -o tokenizer_serve
//   NODE_PATH=... RAYON_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false node benchmarks/peers/tokenizers.mjs \
//       --serve ./tokenizer_serve --vocab VOCAB [--corpus FILE[.gz]]... [--outcomes FOLDER] \
//       [--only pairs,ids,fuzz,characters,speed] [--fuzz 1000000] [--megabytes 8] [--rounds 5] [--path avx2]
//
// --vocab is a vocab.txt of an uncased BERT; every line of a --corpus is a document; a FOLDER of --outcomes holds
// *.jsonl.gz with {"turns": [texts]}. Exits with 1 at a difference. What is compared:
//   ids         every text of the corpora and the outcomes
//   characters  every code point in eight contexts, under a vocabulary of nearly all of them; those that may be assigned
//               also with the 15 other choices of the normaliser's options
//   pairs       pairs and single texts, cut to many lengths, specials spelt out in them
//   fuzz        random strings: bytes, UTF-8, mixtures of what is difficult
//   speed       tokens of the same documents, alternately, every document once; in seconds of the processor, so that
//               other programs do not count. Ours leaves out the pipe; theirs includes the boundary between
//               JavaScript and Rust, which is the only way in
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import zlib from 'node:zlib'

const T = createRequire(import.meta.url)('tokenizers')

const given = { corpus: [], fuzz: '1000000', megabytes: '8', rounds: '5' }
for (let i = 2; i < process.argv.length; i += 2) {
    const key = process.argv[i].replace(/^--/, '')
    if (key === 'corpus') given.corpus.push(process.argv[i + 1])
    else given[key] = process.argv[i + 1]
}
if (!given.vocab || !given.serve) {
    console.error('expected --vocab and --serve; the first lines of this file say how to use it')
    process.exit(2)
}
const wanted = (name) => !given.only || given.only.split(',').includes(name)
const text_of = (file) =>
    (file.endsWith('.gz') ? zlib.gunzipSync(fs.readFileSync(file)) : fs.readFileSync(file)).toString('utf8')

// --- ours: a process ------------------------------------------------------------------------------

class Served {
    constructor(vocab, flags = []) {
        this.child = spawn(given.serve, [vocab, ...flags, ...(given.path ? ['--path', given.path] : [])], {
            stdio: ['pipe', 'pipe', 'inherit'],
        })
        this.waiting = []
        this.parts = []
        this.size = 0
        this.child.stdout.on('data', (part) => {
            this.parts.push(part)
            this.size += part.length
            this.pump()
        })
        this.child.on('exit', (code) => {
            if (this.waiting.length) throw new Error('tokenizer_serve ended with ' + code)
        })
    }
    pump() {
        while (this.waiting.length && this.size >= 4) {
            if (this.parts.length > 1 && this.parts[0].length < 4) this.parts = [Buffer.concat(this.parts)]
            const bytes = this.parts[0].readUInt32LE(0)
            if (this.size < 4 + bytes) return
            const all = this.parts.length > 1 ? Buffer.concat(this.parts) : this.parts[0]
            const rest = all.subarray(4 + bytes)
            this.parts = rest.length ? [rest] : []
            this.size = rest.length
            this.waiting.shift()(all.subarray(4, 4 + bytes))
        }
    }
    /** kind: 0 tokenize, 1 encode, 2 pairs, 3 count. texts: buffers. */
    ask(kind, capacity, texts) {
        const head = Buffer.alloc(12)
        head.writeUInt32LE(kind, 0)
        head.writeUInt32LE(capacity, 4)
        head.writeUInt32LE(texts.length, 8)
        const parts = [head]
        for (const text of texts) {
            const size = Buffer.alloc(4)
            size.writeUInt32LE(text.length, 0)
            parts.push(size, text)
        }
        return new Promise((resolve) => {
            this.waiting.push((answer) => {
                const out = { seconds: answer.readDoubleLE(4), all: [] }
                let at = 12
                for (let i = answer.readUInt32LE(0); i > 0; --i) {
                    const n = answer.readUInt32LE(at)
                    const one = { first: answer.readUInt32LE(at + 4), truncated: answer.readUInt32LE(at + 8) === 1, n }
                    at += 12
                    if (kind !== 3) {
                        one.ids = []
                        for (let k = 0; k < n; ++k, at += 4) one.ids.push(answer.readInt32LE(at))
                    }
                    out.all.push(one)
                }
                resolve(out)
            })
            this.child.stdin.write(Buffer.concat(parts))
        })
    }
    end() {
        this.child.stdin.end()
    }
}

// --- theirs ---------------------------------------------------------------------------------------

const specials = ['[UNK]', '[CLS]', '[SEP]', '[PAD]', '[MASK]']

function reference(vocab, options = {}, added = true) {
    const model = T.WordPiece.init(vocab, { unkToken: '[UNK]', continuingSubwordPrefix: '##', maxInputCharsPerWord: 100 })
    const tokenizer = new T.Tokenizer(model)
    tokenizer.setNormalizer(T.bertNormalizer(options))
    tokenizer.setPreTokenizer(T.bertPreTokenizer())
    tokenizer.setPostProcessor(T.bertProcessing(['[SEP]', vocab['[SEP]']], ['[CLS]', vocab['[CLS]']]))
    if (added) tokenizer.addSpecialTokens(specials.filter((one) => one in vocab))
    return tokenizer
}

function vocabulary(lines) {
    const out = {}
    lines.forEach((line, i) => (out[line.trimEnd()] = i))
    return out
}

const lines_of = (text) => text.replace(/\n$/, '').split('\n')

// --- comparing ------------------------------------------------------------------------------------

let differences = 0
let compared = 0
let ids_compared = 0

function same(theirs, ours, what) {
    ++compared
    ids_compared += theirs.length
    if (theirs.length === ours.length && theirs.every((id, i) => id === ours[i])) return
    if (++differences <= 20) {
        console.log('DIFFERENCE in ' + JSON.stringify(what.slice(0, 300)))
        console.log('  theirs ' + theirs.slice(0, 60).join(' '))
        console.log('  ours   ' + ours.slice(0, 60).join(' '))
    }
}

/** Buffers, which need not be UTF-8: theirs reads them with U+FFFD, as TextDecoder and from_utf8_lossy write it. */
async function same_tokens(theirs, ours, texts) {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
    for (let at = 0; at < texts.length; at += 2000) {
        const some = texts.slice(at, at + 2000)
        const strings = some.map((one) => decoder.decode(one))
        const [a, b] = await Promise.all([theirs.encodeBatch(strings, { addSpecialTokens: false }), ours.ask(0, 0, some)])
        a.forEach((one, i) => same(one.getIds(), b.all[i].ids, strings[i]))
    }
}

function report(name) {
    console.log(`${name.padEnd(11)} ${compared} texts, ${ids_compared} ids compared; ${differences} differences so far`)
    compared = 0
    ids_compared = 0
}

// --- what is compared -----------------------------------------------------------------------------

let seed = 12345
function random(below) {
    // xorshift32
    seed ^= seed << 13
    seed ^= seed >>> 17
    seed ^= seed << 5
    return (seed >>> 0) % below
}
const pick = (from) => from[random(from.length)]

/** Some rows have numbers that are none, as Python writes them. */
function parsed(line) {
    try {
        return JSON.parse(line)
    } catch {
        return JSON.parse(line.replace(/([:,[] ?)-?(NaN|Infinity)/g, '$1null'))
    }
}

const plain_vocab = lines_of(text_of(given.vocab))
const documents = []
for (const file of given.corpus) for (const line of lines_of(text_of(file))) documents.push(line)
const prompts = []
if (given.outcomes)
    for (const name of fs.readdirSync(given.outcomes).filter((one) => one.endsWith('.jsonl.gz')))
        for (const line of lines_of(text_of(path.join(given.outcomes, name))))
            for (const turn of parsed(line).turns ?? []) prompts.push(typeof turn === 'string' ? turn : turn.text)

/** A vocabulary in which characters differ that ids would else hide as unknown: all that exist, alone and as a rest. */
function all_characters() {
    const lines = [...specials, 'ab', '##ab', 'axb']
    const add = (first, last) => {
        for (let code = first; code <= last; ++code) {
            if (code >= 0xd800 && code < 0xe000) continue
            const one = String.fromCodePoint(code)
            if (/\s/u.test(one) || code === 0x85) continue // a line's end would lose it
            lines.push(one, '##' + one)
        }
    }
    add(0x21, 0x323ff)
    add(0xe0000, 0xe01ff)
    add(0xffff0, 0xfffff)
    add(0x10fff0, 0x10ffff)
    return lines
}

async function compare_characters() {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tokenizers-'))
    const file = path.join(folder, 'vocab.txt')
    const lines = all_characters()
    fs.writeFileSync(file, lines.join('\n') + '\n')
    const vocab = vocabulary(lines)
    const contexts = [
        (c) => c, (c) => `a${c}b`, (c) => `a ${c} b`, (c) => c + c, (c) => `${c}a`, (c) => `A\u0301${c}\u0327`,
        (c) => `\u302e${c}\u1b44`, (c) => `x${c}\u{1d165}\u094d\u302f`,
    ]
    for (const cleanText of [true, false])
        for (const handleChineseChars of [true, false])
            for (const stripAccents of [true, false])
                for (const lowercase of [true, false]) {
                    const flags = [
                        '--no-added', '--accents', stripAccents ? 'strip' : 'keep', ...(lowercase ? [] : ['--cased']),
                        ...(cleanText ? [] : ['--dirty']), ...(handleChineseChars ? [] : ['--joined-cjk']),
                    ]
                    const theirs = reference(vocab, { cleanText, handleChineseChars, stripAccents, lowercase }, false)
                    const ours = new Served(file, flags)
                    const texts = []
                    for (let code = 0; code < 0x110000; code += 8) {
                        if (code >= 0xd800 && code < 0xe000) continue
                        // nothing or private use: all of it with the default options, else a sample
                        const is_default = cleanText && handleChineseChars && stripAccents && lowercase
                        if (!is_default && code >= 0x33000 && code < 0xe0000 && code % 0x400 !== 0) continue
                        if (!is_default && code >= 0xe1000 && code % 0x400 !== 0 && (code & 0xffff) < 0xfff0) continue
                        const parts = []
                        for (let k = 0; k < 8; ++k)
                            for (const context of contexts) parts.push(context(String.fromCodePoint(code + k)))
                        texts.push(Buffer.from(parts.join(' ')))
                    }
                    await same_tokens(theirs, ours, texts)
                    ours.end()
                    report(`characters ${cleanText ? 'clean' : ''} ${handleChineseChars ? 'cjk' : ''} ` +
                           `${stripAccents ? 'strip' : ''} ${lowercase ? 'lower' : ''}`)
                }
    await compare_fuzz(vocab, file, Math.min(Number(given.fuzz), 200000), 'fuzz, all characters')
    fs.rmSync(folder, { recursive: true })
}

async function compare_pairs() {
    const vocab = vocabulary(plain_vocab)
    const ours = new Served(given.vocab)
    const some = [
        '', ' ', 'a', 'Hello, World!', 'unaffable unaffable unaffable', 'x'.repeat(99), 'x'.repeat(100), 'x'.repeat(101),
        '[SEP]', 'a[SEP]b', '[CLS] [MASK] [UNK][PAD]', '[sep]', '[[SEP]]', '[SEP', 'caf\u00e9[SEP]\u0301', '##ing',
        '\u4e2d\u6587\u5b57', '. , ; !', 'one two three four five six seven eight nine ten',
        ...prompts.slice(0, 60), ...documents.slice(0, 60),
    ]
    for (const length of [2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 16, 31, 64, 128, 511, 512]) {
        for (const pair of [false, true]) {
            if (pair && length < 3) continue
            const theirs = reference(vocab)
            theirs.setTruncation(length)
            const texts = []
            if (!pair) texts.push(...some)
            else for (const a of some) for (const b of some.slice(0, 40)) texts.push(a, b)
            const answer = await ours.ask(pair ? 2 : 1, length, texts.map((one) => Buffer.from(one)))
            const asked = pair ? answer.all.map((_, i) => [texts[2 * i], texts[2 * i + 1]]) : texts
            const encoded = pair ? await Promise.all(asked.map(([a, b]) => theirs.encode(a, b))) : await theirs.encodeBatch(asked)
            encoded.forEach((one, i) => {
                const mine = answer.all[i]
                const what = `length ${length}: ` + [asked[i]].flat().join(' | ')
                same(one.getIds(), mine.ids, what)
                same(one.getTypeIds(), mine.ids.map((_, k) => (k < mine.first ? 0 : 1)), 'types, ' + what)
                same([one.getOverflowing().length > 0 ? 1 : 0], [mine.truncated ? 1 : 0], 'truncated, ' + what)
            })
        }
    }
    ours.end()
    report('pairs')
}

const difficult = [
    ' ', ' ', ' ', '\t', '\n', '\r', '\u000b', '\u0000', '\u0001', '\u007f', '\u0085', '\u00a0', '\u00ad', '\u200b', '\u200d',
    '\u2028', '\u3000', '\ufeff', '\ufffd', '.', ',', '-', '#', '##', '[', ']', '[SEP]', '[CLS]', '[MASK]', "'", '\u2019',
    '\u201c', '\u2026', '$', '\u20ac', 'a', 'e', 'the', 'ing', 'Token', 'UNAFFABLE', 'caf\u00e9', 'cafe\u0301', '\u00c5', '\u212b',
    '\u0130', '\u1e9e', '\u00df', '\ufb01', '\u0301', '\u0327', '\u0345', '\u0344', '\u302e', '\u302f', '\u1b44', '\u{1d165}',
    '\u{1d16d}', '\u{1d15f}', '\u0901', '\u093c', '\u0958', '\u0d4a', '\u0dde', '\ud55c', '\uae00', '\u1112\u1161\u11ab', '\u4e2d',
    '\u6587', '\uf900', '\u{2f800}', '\u{2b820}', '\u{2b920}', '\u304b\u3099', '\u30ac', '\uff21', '\uff01', '\u0410', '\u0439',
    '\u0419', '\u03a3', '\u03ac', '\u0387', '\u037e', '\u1fef', '\u0e33', '\u0e01\u0e34', '\u05d0\u05b8', '\ufb2a', '\u0627\u064b',
    '\u06d4', '\u{1f600}', '\u{1f468}\u200d\u{1f469}', '\u{1f1e9}\u{1f1ea}', '\u{10ffff}', '\ue000', '\ufffe', '\u2e43', '\u166d',
    '1234567890', 'antidisestablishmentarianism', 'x'.repeat(50), '\u00e9'.repeat(30), '\u0301'.repeat(40), '\u302e'.repeat(9),
    '_', '^', '`', '~', '|', '=', '+', '<', '>', '\\', '/', '"', '&', '%', '@', '(', ')', '{', '}', '*', '?', '!', ':', ';',
].map((one) => Buffer.from(one))
const broken = ['80', 'bf', 'c0', 'c3', 'c1bf', 'e2', 'e282', 'e08080', 'eda080', 'f0', 'f09f', 'f09f98', 'f08080', 'f4908080',
    'f5', 'ff', 'fe'].map((one) => Buffer.from(one, 'hex'))

function fuzzed() {
    const parts = []
    switch (random(6)) {
        case 0: // bytes
            for (let n = random(80); n > 0; --n) parts.push(Buffer.from([random(256)]))
            break
        case 1: // characters, of all planes
            for (let n = random(40); n > 0; --n) {
                const code = pick([random(0x80), random(0x800), random(0x3400), random(0x10000), random(0x20000), random(0x110000)])
                parts.push(Buffer.from(String.fromCodePoint(code >= 0xd800 && code < 0xe000 ? 0x302e : code)))
            }
            break
        case 2: // pieces, broken ones among them
            for (let n = random(40); n > 0; --n) parts.push(random(8) === 0 ? pick(broken) : pick(difficult))
            break
        case 3: // words, glued together
            for (let n = random(60); n > 0; --n) {
                parts.push(Buffer.from(pick(plain_vocab).replace(/^##/, '')))
                if (random(3) > 0) parts.push(pick(difficult))
            }
            break
        case 4: // words
            for (let n = random(500); n > 0; --n) parts.push(Buffer.from(pick(plain_vocab).replace(/^##/, '') + pick([' ', ' ', '', '. ', '\n'])))
            if (random(4) > 0) parts.length = Math.min(parts.length, 20)
            break
        default: { // one block's edge, from both sides
            const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789   ..,-\n'
            let text = ''
            const size = pick([15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 200])
            for (let n = 0; n < size; ++n) text += letters[random(letters.length)]
            parts.push(Buffer.from(text))
            if (random(200) === 0) parts.push(Buffer.from(text.repeat(20)), Buffer.alloc(random(3000), random(2) ? 'a' : '\u00e9'))
        }
    }
    return Buffer.concat(parts)
}

async function compare_fuzz(vocab, file, count, name) {
    const theirs = reference(vocab)
    const ours = new Served(file)
    for (let left = count; left > 0; left -= 50000) {
        const texts = []
        for (let i = Math.min(left, 50000); i > 0; --i) texts.push(fuzzed())
        await same_tokens(theirs, ours, texts)
    }
    ours.end()
    report(name)
}

// --- speed ----------------------------------------------------------------------------------------

/** Seconds of the processor since `start`, of all threads of this process. */
const spent = (start) => {
    const { user, system } = process.cpuUsage(start)
    return (user + system) / 1e6
}
const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]

async function compare_speed() {
    const vocab = vocabulary(plain_vocab)
    const theirs = reference(vocab)
    const ours = new Served(given.vocab)
    const bytes_wanted = Number(given.megabytes) * 1e6
    const rounds = Number(given.rounds)
    const used = documents.filter((one) => one.length > 0)
    const rates = { theirs: [], one_by_one: [], ours: [] }
    // every document once, over all rounds
    let at = 0
    let tokens = 0
    for (let round = 0; round < rounds; ++round) {
        const some = []
        let bytes = 0
        for (; at < used.length && bytes < bytes_wanted; ++at) {
            some.push(used[at])
            bytes += Buffer.byteLength(used[at])
        }
        if (some.length === 0) {
            console.log(`the corpora are used up after ${round} rounds`)
            break
        }
        const mine = await ours.ask(3, 0, some.map((one) => Buffer.from(one)))
        rates.ours.push(bytes / mine.seconds / 1e6)
        let start = process.cpuUsage()
        let counted = 0
        for (let k = 0; k < some.length; k += 100) {
            const batch = await theirs.encodeBatch(some.slice(k, k + 100), { addSpecialTokens: false })
            for (const one of batch) counted += one.getLength()
        }
        rates.theirs.push(bytes / spent(start) / 1e6)
        start = process.cpuUsage()
        const part = some.slice(0, Math.ceil(some.length / 8))
        for (const one of part) await theirs.encode(one, null, { addSpecialTokens: false })
        rates.one_by_one.push(part.reduce((sum, one) => sum + Buffer.byteLength(one), 0) / spent(start) / 1e6)
        tokens = mine.all.reduce((sum, one) => sum + one.n, 0)
        if (tokens !== counted) {
            ++differences
            console.log(`DIFFERENCE in round ${round}: ${counted} ids of theirs, ${tokens} of ours`)
        }
        console.log(`round ${round}: ${(bytes / 1e6).toFixed(1)} MB, ${tokens} ids; ours ${rates.ours.at(-1).toFixed(0)} MB/s, ` +
            `theirs ${rates.theirs.at(-1).toFixed(2)} MB/s in batches of 100, ${rates.one_by_one.at(-1).toFixed(2)} MB/s one by one`)
    }
    ours.end()
    const [a, b, c] = [median(rates.ours), median(rates.theirs), median(rates.one_by_one)]
    console.log(`medians: ours ${a.toFixed(0)} MB/s, theirs ${b.toFixed(2)} MB/s, ${(a / b).toFixed(0)} times; ` +
        `one by one ${c.toFixed(2)} MB/s, ${(a / c).toFixed(0)} times`)
}

if (wanted('pairs')) await compare_pairs()
if (wanted('ids')) {
    const theirs = reference(vocabulary(plain_vocab))
    const ours = new Served(given.vocab)
    await same_tokens(theirs, ours, prompts.map((one) => Buffer.from(one)))
    report('prompts')
    await same_tokens(theirs, ours, documents.map((one) => Buffer.from(one)))
    report('corpora')
    ours.end()
}
if (wanted('fuzz')) await compare_fuzz(vocabulary(plain_vocab), given.vocab, Number(given.fuzz), 'fuzz')
if (wanted('characters')) await compare_characters()
if (wanted('speed')) await compare_speed()
process.exit(differences === 0 ? 0 : 1)
