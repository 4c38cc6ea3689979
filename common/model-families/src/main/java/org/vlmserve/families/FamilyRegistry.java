package org.vlmserve.families;

import java.util.Collection;
import java.util.ServiceLoader;
import java.util.SortedMap;
import java.util.TreeMap;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/** The families by id: those that announce themselves as a service of {@link ModelFamily}, or an explicit list. */
public final class FamilyRegistry {

    private final SortedMap<String, ModelFamily> families = new TreeMap<>();

    /** @throws IllegalArgumentException for two families with one id */
    public FamilyRegistry(Iterable<ModelFamily> families) {
        for (ModelFamily family : families) {
            if (this.families.putIfAbsent(family.id(), family) != null) {
                throw new IllegalArgumentException("two families call themselves '" + family.id() + "'");
            }
        }
    }

    /** Every family on the class path. */
    public static FamilyRegistry load() {
        return new FamilyRegistry(ServiceLoader.load(ModelFamily.class, FamilyRegistry.class.getClassLoader()));
    }

    public Collection<String> ids() {
        return families.keySet();
    }

    /** @throws VlmException {@code BUNDLE_CORRUPT} for a family that this version does not know */
    public ModelFamily familyOf(Bundle bundle) {
        String id = bundle.manifest().family();
        ModelFamily family = families.get(id);
        if (family == null) {
            throw new VlmException(
                    ErrorCode.BUNDLE_CORRUPT,
                    bundle.directory().resolve(Bundle.MANIFEST) + ": field 'family' is '" + id + "'; expected one of "
                            + families.keySet());
        }
        return family;
    }
}
