package correlate

import "math"

// Weights are in bits: how many times, as a power of two, a word halves the APIs that may be meant. They are fixed, so
// that a judgement depends on the two deployments alone, not on what else there is or came first. The lists hold the words
// that many companies' APIs share; any other word is taken for rare.
const (
	rare       = 7.0
	familiar   = 4.0
	everywhere = 2.0
	hardly     = 0.5 // decorations, and single letters

	maxSegmentWeight = 12 // a long segment is not rarer for that
	maxPathWeight    = 16
	parameterWeight  = 0.25
)

var everywhereWords = stemmed(`
	status search user health item resource list get set add create update delete remove info detail data all id me self ping
	test file setting config configuration version service account auth token login logout register password email name
	key code type state time date value number count result query request response message event log history report stat
	statistic metric check validate reset start stop cancel enable disable upload download import export batch bulk latest
	current new home index root about help error feedback comment tag category group member project template admin profile
	object entity record manage management client web url link callback webhook notification oauth authorize authorization
	session permission role swagger openapi json csv xml pdf healthz readyz livez ready live alive metrics prometheus
	actuator env hello echo welcome docs static public favicon robots option attribute property field meta metadata system app
	application job task action process run execute submit save send sync refresh revoke archive activate deactivate lookup
	find filter sort page next previous top recent full summary overview core common base generic simple custom default`)

// housekeeping are paths of frameworks, not of an API.
var housekeeping = wordSet(`health healthz healthcheck health-check status ping pong ready readyz readiness live livez liveness alive
	metrics prometheus actuator info version versions about swagger openapi docs api-docs favicon favicon.ico robots robots.txt
	env hello echo index swagger-ui heartbeat`)

var familiarWords = stemmed(`
	order customer product payment invoice transaction transfer balance card bank price cost rate currency country city region
	address location place map geo image photo media video audio document content article news post page book review rating
	company organization organisation org team people person contact employee client partner vendor supplier store shop cart
	catalog inventory stock shipment shipping delivery tracking subscription plan billing charge refund usage limit quota
	policy rule alert monitor monitoring dashboard analytics insight score rank ranking match game player device sensor
	network domain site host server node cluster container image storage bucket folder directory backup snapshot
	deployment build pipeline workflow integration connection connector channel topic queue stream subscriber publisher
	campaign audience segment form survey question answer ticket issue case support chat conversation thread call phone sms
	voice language translation text word phrase weather forecast flight hotel booking reservation travel vehicle car trip
	route station stop schedule calendar appointment meeting course lesson student school patient health medical certificate
	license identity verification verify security risk fraud compliance audit consent privacy agreement contract offer deal
	lead opportunity pipeline merchant wallet asset portfolio trade market quote symbol exchange loan credit debit tax
	promotion coupon discount gift loyalty reward point event venue artist album track playlist genre movie show season
	episode feed rss collection library repository branch commit release package module plugin extension
	key secret credential certificate environment variable parameter schema model dataset table column row field label
	annotation note reminder notification preference setting language locale translation timezone area zone building room
	user member identity directory registry proxy agent worker instance function trigger hook tracking export
	job applicant candidate salary skill recipe food restaurant menu ingredient nutrition energy power water air quality
	info information number validation generator converter conversion transaction statement detail history partner balance`)

func stemmed(list string) map[string]bool {
	set := map[string]bool{}
	for w := range wordSet(list) {
		set[stem(w)] = true
	}
	return set
}

// wordWeights has the words of which wordWeight says less than rare.
var wordWeights = func() map[string]float64 {
	all := map[string]float64{}
	for _, list := range []struct {
		words  map[string]bool
		weight float64
	}{{familiarWords, familiar}, {everywhereWords, everywhere}, {decorations, hardly}} { // the later ones win
		for w := range list.words {
			all[w] = list.weight
		}
	}
	return all
}()

// wordWeight says how much a stemmed word tells apart.
func wordWeight(word string) float64 {
	if len(word) < 2 {
		return hardly
	}
	if weight, ok := wordWeights[word]; ok {
		return weight
	}
	if len(word) == 2 {
		return familiar
	}
	return rare
}

// segmentWeight says how much a segment of a path tells apart.
func segmentWeight(segment string) float64 {
	if segment == parameter {
		return parameterWeight
	}
	if housekeeping[segment] {
		return 0
	}
	var sum float64
	for _, w := range words(segment) {
		sum += wordWeight(stem(w))
	}
	return math.Min(sum, maxSegmentWeight)
}
