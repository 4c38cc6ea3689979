package org.vlmserve.importer;

import org.vlmserve.families.bundle.Bundle;

/** A bundle that was made, and what became of the checkpoint on the way. */
public record ImportResult(Bundle bundle, ImportSummary summary) {}
