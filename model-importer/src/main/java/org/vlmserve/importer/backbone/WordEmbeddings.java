package org.vlmserve.importer.backbone;

import java.util.List;
import org.vlmserve.families.checkpoint.Warnings;
import org.vlmserve.importer.checkpoint.CheckpointReader;
import org.vlmserve.importer.checkpoint.CheckpointTensor;

/**
 * A language model's embedding table and output layer. Which tensors they are is decided here for every family, as transformers 5.18
 * does in {@code PreTrainedModel.tie_weights}, modeling_utils.py:
 *
 * <pre>
 * in the checkpoint   tie_word_embeddings: true             false
 * both, alike         the table is both                     each is what it is
 * both, different     each is what it is, with a warning    each is what it is
 * one                 it is both                            refused: the reference would draw the other at random
 * none                refused                               refused
 * </pre>
 *
 * @param table [V, H]
 * @param head [V, H]; the same object as {@code table} where one tensor is both
 */
public record WordEmbeddings(CheckpointTensor table, CheckpointTensor head) {

    /**
     * @param tied whether the configuration asks for one tensor
     * @param tableNames under which the checkpoint may have the table
     * @param headNames under which it may have the output layer
     * @param warnings is told of a head that is used against the configuration's word
     * @throws org.vlmserve.protocol.error.VlmException {@code CHECKPOINT_UNREADABLE} for a missing or misshapen tensor
     */
    public static WordEmbeddings read(
            CheckpointReader checkpoint,
            boolean tied,
            List<String> tableNames,
            List<String> headNames,
            long vocabulary,
            long hidden,
            Warnings warnings) {
        if (tied && !checkpoint.has(headNames)) {
            CheckpointTensor table = checkpoint.tensor(tableNames, vocabulary, hidden);
            return new WordEmbeddings(table, table);
        }
        if (tied && !checkpoint.has(tableNames)) {
            CheckpointTensor head = checkpoint.tensor(headNames, vocabulary, hidden);
            return new WordEmbeddings(head, head);
        }
        CheckpointTensor table = checkpoint.tensor(tableNames, vocabulary, hidden);
        if (!checkpoint.has(headNames)) {
            throw checkpoint.missing(
                    headNames,
                    "config.json says that it is a tensor of its own; if it is the embedding table, set tie_word_embeddings to"
                            + " true there");
        }
        CheckpointTensor head = checkpoint.tensor(headNames, vocabulary, hidden);
        if (!tied) {
            return new WordEmbeddings(table, head);
        }
        if (head.sameValues(table)) {
            checkpoint.leaveOut(head);
            return new WordEmbeddings(table, table);
        }
        warnings.add("config.json says tie_word_embeddings: true, and " + head.name() + " differs from " + table.name()
                + "; each is used as it is, as transformers does");
        return new WordEmbeddings(table, head);
    }
}
