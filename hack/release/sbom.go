package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/uuid"
)

// bill is the list of what a program is made of, and under which licences, as CycloneDX has it.
func (c commit) bill(program string, modules []debug.Module, toolchain string, of map[string]terms) (*cdx.BOM, error) {
	self := "pkg:golang/" + module + "@" + c.version + "?type=module#cmd/" + program
	bill := cdx.NewBOM()
	bill.Metadata = &cdx.Metadata{
		Timestamp: c.stamp(),
		Component: &cdx.Component{
			BOMRef: self, Type: cdx.ComponentTypeApplication, Name: program, Version: c.version, PackageURL: self,
			Description: "A program of esim-operator", Licenses: declared("Apache-2.0"),
			ExternalReferences: &[]cdx.ExternalReference{{Type: cdx.ERTypeVCS, URL: "https://" + module, Comment: "commit " + c.hash}},
		},
	}
	standard := "pkg:golang/std@" + strings.TrimPrefix(toolchain, "go")
	components := []cdx.Component{{
		BOMRef: standard, Type: cdx.ComponentTypeLibrary, Name: "std", Version: strings.TrimPrefix(toolchain, "go"),
		PackageURL: standard, Description: "Go's standard library", Licenses: concluded(of[goTerms].licences),
	}}
	needs := []string{standard}
	for _, m := range modules {
		component, err := library(m, of[m.Path+"@"+m.Version].licences)
		if err != nil {
			return nil, err
		}
		components = append(components, component)
		needs = append(needs, component.BOMRef)
	}
	bill.Components = &components
	bill.Dependencies = &[]cdx.Dependency{{Ref: self, Dependencies: &needs}}
	// A number of its own, as the format wants, and the same for the same program.
	bill.SerialNumber = uuid.NewSHA1(uuid.NameSpaceURL, []byte(self+"\n"+c.hash+"\n"+strings.Join(needs, "\n"))).URN()
	return bill, nil
}

// declared is a licence that is ours to name.
func declared(id string) *cdx.Licenses {
	return &cdx.Licenses{{License: &cdx.License{ID: id, Acknowledgement: cdx.LicenseAcknowledgementDeclared}}}
}

// concluded are licences that were told by their texts: a Go module names none. Of several each
// counts for a part of the module, or one may be chosen; its texts say which.
func concluded(ids []string) *cdx.Licenses {
	all := cdx.Licenses{}
	for _, id := range ids {
		all = append(all, cdx.LicenseChoice{License: &cdx.License{ID: id, Acknowledgement: cdx.LicenseAcknowledgementConcluded}})
	}
	return &all
}

// library is a module. Its sum is that of go.sum: SHA-256 over the names and sums of its files.
func library(m debug.Module, ids []string) (cdx.Component, error) {
	sum, ok := strings.CutPrefix(m.Sum, "h1:")
	if !ok {
		return cdx.Component{}, fmt.Errorf("%s %s has no sum; was it replaced by a folder?", m.Path, m.Version)
	}
	raw, err := base64.StdEncoding.DecodeString(sum)
	if err != nil || len(raw) != sha256.Size {
		return cdx.Component{}, fmt.Errorf("%s %s has the sum %q, which is none", m.Path, m.Version, m.Sum)
	}
	if len(ids) == 0 {
		return cdx.Component{}, fmt.Errorf("of %s %s it is not known under which licence it is", m.Path, m.Version)
	}
	url := "pkg:golang/" + m.Path + "@" + strings.ReplaceAll(m.Version, "+", "%2B")
	return cdx.Component{
		BOMRef: url, Type: cdx.ComponentTypeLibrary, Name: m.Path, Version: m.Version, PackageURL: url,
		Hashes: &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(raw)}}, Licenses: concluded(ids),
	}, nil
}

// writeBill writes it as JSON.
func writeBill(to io.Writer, bill *cdx.BOM) error {
	encoder := cdx.NewBOMEncoder(to, cdx.BOMFileFormatJSON).SetPretty(true)
	if err := encoder.EncodeVersion(bill, cdx.SpecVersion1_6); err != nil {
		return fmt.Errorf("writing the bill of materials: %w", err)
	}
	return nil
}
