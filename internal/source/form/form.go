package form

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	mostLayers   = 4   // of base64 in base64
	shortestCode = 16  // of base64: what is shorter is a word
	longestPath  = 512 // a longer value is not the path of a kubeconfig

)

// Unwrap removes the wrappings that are certain: UTF-16, quotes and base64, in any order. Data
// without a wrapping is returned unchanged.
func Unwrap(data []byte) []byte {
	text := decodeUTF16(data)
	for range mostLayers {
		inner, ok := decodeBase64(text)
		if !ok {
			inner, ok = stripQuotes(text)
		}
		if !ok {
			break
		}
		text = inner
	}
	return text
}

// IsContent reports whether a value is content of any kind, and not a path.
func IsContent(value string) bool {
	trimmed := strings.Trim(value, byteOrderMark+" \t\r\n")
	if strings.ContainsAny(trimmed, "\n{") || strings.Contains(trimmed, ": ") || len(trimmed) > longestPath {
		return true
	}
	if strings.HasPrefix(trimmed, "<") { // a web page
		return true
	}
	if quoted, ok := stripQuotes([]byte(trimmed)); ok && IsContent(string(quoted)) {
		return true
	}
	if _, ok := decodeBase64([]byte(strings.TrimSuffix(trimmed, "%"))); ok {
		return true
	}
	return matchesPattern(jsonWebToken, trimmed) || !utf8.ValidString(trimmed)
}

// decodeBase64 decodes base64 of text, of more base64, or of something recognisable. A path can
// happen to be base64 as well, but not of these. It accepts wrapped lines and the URL alphabet.
func decodeBase64(text []byte) (inner []byte, ok bool) {
	compact := strings.Join(strings.Fields(strings.Trim(string(text), byteOrderMark)), "")
	code := strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(compact), "=")
	if len(code) < shortestCode {
		return nil, false
	}
	inner, err := base64.RawStdEncoding.DecodeString(code)
	if err != nil {
		return nil, false
	}
	inner = decodeUTF16(inner)
	if isText(inner) && bytes.ContainsAny(inner, "\n{") && bytes.ContainsAny(inner, ":-") {
		return inner, true
	}
	if matchesPattern(packed, string(inner)) {
		return inner, true
	}
	_, again := decodeBase64(inner)
	if !again {
		_, again = stripQuotes(inner)
	}
	return inner, again
}

// stripQuotes removes the quotes around a whole value: a JSON string, base64, or a kubeconfig whose
// first key follows the quote. It leaves a kubeconfig alone that begins with a quoted key and ends
// with a quoted value.
func stripQuotes(text []byte) (inner []byte, ok bool) {
	trimmed := bytes.Trim(text, byteOrderMark+" \t\r\n")
	last := len(trimmed) - 1
	if last < shortestCode || trimmed[0] != trimmed[last] || (trimmed[0] != '"' && trimmed[0] != '\'') {
		return nil, false
	}
	var written string
	if json.Unmarshal(trimmed, &written) == nil {
		inner = []byte(written)
		return inner, IsContent(written)
	}
	inner = trimmed[1:last]
	if _, ok := decodeBase64(inner); ok {
		return inner, true
	}
	return inner, matchesPattern(quotedKey, string(trimmed)) || inner[0] == '{'
}

const quotedKey = `^["'](?:---\s+)?[A-Za-z][A-Za-z-]*:\s`

// decodeUTF16 decodes what Windows PowerShell's > writes, with or without a byte order mark.
func decodeUTF16(data []byte) []byte {
	order := findByteOrder(data)
	if order == nil {
		return data
	}
	units := make([]uint16, len(data)/2)
	for i := range units {
		units[i] = order.Uint16(data[2*i:])
	}
	return []byte(strings.TrimPrefix(string(utf16.Decode(units)), byteOrderMark))
}

// findByteOrder returns the byte order of UTF-16, nil for other data. A kubeconfig's first
// characters are ASCII, so each has a zero byte.
func findByteOrder(data []byte) binary.ByteOrder {
	const looked = 16
	switch {
	case len(data) < 4 || len(data)%2 != 0:
		return nil
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}):
		return binary.LittleEndian
	case bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		return binary.BigEndian
	}
	var even, odd int
	start := data[:min(len(data), looked)]
	for i, b := range start {
		switch {
		case b == 0 && i%2 == 0:
			even++
		case b == 0:
			odd++
		}
	}
	switch half := len(start) / 2; {
	case odd == half && even == 0:
		return binary.LittleEndian
	case even == half && odd == 0:
		return binary.BigEndian
	}
	return nil
}

// isText reports whether data is UTF-8 without control characters, other than the escapes of
// terminal colours.
func isText(data []byte) bool {
	return !bytes.ContainsFunc(data, func(r rune) bool {
		return r == utf8.RuneError || (r < ' ' && !strings.ContainsRune("\t\r\n\x1b", r))
	})
}

// IsPath reports whether a value looks like a path.
func IsPath(value string) bool {
	return matchesPattern(`^(?:~|\.{1,2})?/[^\s:]+$|^[A-Za-z]:\\[^\n]+$`, value)
}
