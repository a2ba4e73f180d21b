// Package activation holds what an eSIM is named and installed by: the activation code
// (SGP.22 section 4.1), the ICCID (ITU-T E.118) and the EID (SGP.02 section 2.2.2).
//
// It is strict in what it writes and liberal in what it reads. Matching IDs and
// confirmation codes are credentials: whoever holds one can install the profile. They are
// of type Credential, which prints itself masked, and no error of this package repeats its
// input.
package activation
