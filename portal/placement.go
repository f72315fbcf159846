package portal

// Audience is who a deployment is exposed to, and who an organisation's members are.
type Audience string

// Environment is a stage of an application's life. Their order is configuration; these are the defaults.
type Environment string

// The default values of the two axes that fail closed. All values are configuration.
const (
	Internal Audience = "internal"
	Partner  Audience = "partner"
	Public   Audience = "public"

	Development Environment = "development"
	Test        Environment = "test"
	Simulation  Environment = "simulation"
	Production  Environment = "production"
)

// Axis names one axis of placement.
type Axis string

// The axes: one for each reason to have several gateways.
const (
	AxisAudience     Axis = "audience"
	AxisEnvironment  Axis = "environment"
	AxisHosting      Axis = "hosting"      // on-premises, or a cloud such as aws
	AxisDivision     Axis = "division"     // who governs the deployment
	AxisRegion       Axis = "region"       //
	AxisGeneration   Axis = "generation"   // legacy or current
	AxisArchitecture Axis = "architecture" // monolith, cluster or mesh
)

// Axes lists every axis in the order in which people see them.
var Axes = []Axis{AxisAudience, AxisEnvironment, AxisHosting, AxisDivision, AxisRegion, AxisGeneration, AxisArchitecture}

// Layer says where a value of a placement comes from. A later layer wins over an earlier one.
type Layer string

// The layers, in order.
const (
	LayerGateway  Layer = "gateway"  // the gateway's defaults
	LayerDetected Layer = "detected" // the usual names of environments, in what the gateway calls its things
	LayerRule     Layer = "rule"     // a placement rule
	LayerWords    Layer = "words"    // the gateway's own words: label, tag, x-concierge-* in the document
	LayerOverride Layer = "override" // a person; survives every sync

	// LayerDocument is what a deployment's document says of its lifecycle. There, LayerGateway is what the gateway says.
	LayerDocument Layer = "document"
)

// Placed is one value of a placement and the layer that it comes from.
type Placed struct {
	Value string `json:"value"`
	Layer Layer  `json:"layer"`
}

// Placement says where a deployment stands on every axis. An axis that is absent is unknown.
type Placement map[Axis]Placed

// Get returns the value on an axis, empty when unknown.
func (p Placement) Get(a Axis) string { return p[a].Value }

// Audience returns the audience that the deployment is exposed to, empty when unknown.
func (p Placement) Audience() Audience { return Audience(p.Get(AxisAudience)) }

// Environment returns the environment, empty when unknown.
func (p Placement) Environment() Environment { return Environment(p.Get(AxisEnvironment)) }

// Division returns who governs the deployment.
func (p Placement) Division() Division { return Division(p.Get(AxisDivision)) }

// Region returns the region.
func (p Placement) Region() Region { return Region(p.Get(AxisRegion)) }

// Legacy reports whether the deployment belongs to the old generation.
func (p Placement) Legacy() bool { return p.Get(AxisGeneration) == "legacy" }

// Classified reports whether audience and environment are both known. What is not classified is seen by
// administrators only.
func (p Placement) Classified() bool { return p.Audience() != "" && p.Environment() != "" }

// Bounds are the central limits of one gateway on the two axes that fail closed. Empty means that nothing is allowed
// beyond what the gateway's defaults say.
type Bounds struct {
	Audiences    []Audience    `json:"audiences"`
	Environments []Environment `json:"environments"`
}
