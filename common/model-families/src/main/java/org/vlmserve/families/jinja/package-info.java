/**
 * The part of Jinja that chat templates use, with Python's meaning to the letter: a template in, the text that jinja2 gives
 * out, or an error; what is not built is refused, never rendered as nothing. Values are data: no text that a user wrote is
 * ever read as a template. Follows jinja2 3.1 as transformers sets it up (trim_blocks, lstrip_blocks, loop controls,
 * {@code generation}), within {@link org.vlmserve.families.jinja.TemplateLimits}. Verified by {@code TemplateTest},
 * {@code TemplateLimitsTest}, and the goldens of each family's templates.
 *
 * <p>Python's values are Java's: None is null, str is {@link java.lang.String}, int is {@link java.lang.Long}, float is
 * {@link java.lang.Double}, list is {@link java.util.List}, dict is {@link java.util.Map}; tuples, namespaces, callables and
 * the undefined value have types of their own in {@code Values}.
 */
@NullMarked
package org.vlmserve.families.jinja;

import org.jspecify.annotations.NullMarked;
