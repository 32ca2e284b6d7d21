// Package revocation tells the instances of orgs who lost access, or has another.
//
// The change itself notes in the store whom an instance is to be told of (registry.RevocationStore). A
// Teller pushes that to the instance's agent, soon after the change, and again with back-off until an
// agent took it: nothing is lost over restarts of the control plane or of the instance. Instances
// without an agent are not told: they check assertions, which live for at most two minutes.
package revocation
