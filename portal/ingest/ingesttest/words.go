package ingesttest

import (
	"strings"

	"concierge/portal"
)

var (
	divisions    = []portal.Division{"freight", "parcel", "retail", "banking", "energy", "health", "travel", "media"}
	environments = []portal.Environment{portal.Production, portal.Test, portal.Development}
	audiences    = []portal.Audience{portal.Internal, portal.Partner, portal.Public}
	regions      = []string{"eu-central", "us-east", "ap-south"}

	verbs = strings.Fields("refund cancel approve capture confirm reschedule publish archive restore merge split forward release settle reserve escalate")

	syllables = strings.Fields("ka le mi to ru ven dor sal pin gri mar tes lo qua bri zen fel nor hal vic ost ran dul pex")

	subjects = strings.Fields(`customer order payment invoice shipment product account contract delivery price stock tariff booking user document
		claim policy device meter vehicle driver route parcel warehouse supplier partner employee patient appointment ticket campaign
		voucher coupon loyalty card loan deposit mandate transfer ledger budget asset tenant building room sensor alarm incident
		project task team skill course exam student lecture author article photo video channel playlist subscriber station flight
		hotel seat luggage passport visa cargo container vessel harbour train carriage fuel charger battery turbine reactor grid
		prescription vaccine laboratory specimen diagnosis insurance premium broker auction bid offer catalogue brand season return
		packaging pallet dock gate permit licence tax duty currency exchange portfolio bond share dividend pension salary bonus
		complaint survey feedback review rating wish basket checkout receipt refund chargeback fraud identity consent profile address
		contact phone message letter signature certificate archive backup report forecast weather location map zone parking toll`)

	matters = strings.Fields(`status history search management tracking planning routing pricing billing validation notification settlement
		registration enrolment eligibility availability allocation scheduling dispatch inspection reconciliation reporting analytics
		monitoring forecasting matching scoring screening verification authorisation authentication onboarding renewal termination
		migration synchronisation import export conversion translation enrichment deduplication classification moderation escalation
		approval delegation inheritance versioning publishing subscription fulfilment replenishment consolidation customs clearance
		labelling packing loading weighing measuring calibration maintenance repair recall disposal recycling accounting budgeting
		auditing compliance retention erasure disclosure arbitration mediation collection recovery insurance guarantee warranty`)

	kinds = strings.Fields("service api hub gateway engine registry store board desk centre portal directory exchange")
)
