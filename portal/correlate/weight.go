package correlate

import "math"

// maxPathWeight is the most that one path may say, in bits: what is long is not therefore rarer.
const maxPathWeight = 16

// rare is the weight of a word that few APIs use.
const rare = 7.0

// segmentWeight says how much a segment of a path tells apart, in bits.
func segmentWeight(segment string) float64 {
	if segment == parameter {
		return 0.25
	}
	var sum float64
	for _, w := range words(segment) {
		sum += wordWeight(w)
	}
	return math.Min(sum, 12)
}

// wordWeight says how rare a word is, in bits.
func wordWeight(word string) float64 {
	if len(word) < 2 {
		return 1
	}
	return rare
}
