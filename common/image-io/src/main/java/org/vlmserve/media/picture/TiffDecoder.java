package org.vlmserve.media.picture;

import com.twelvemonkeys.imageio.plugins.tiff.TIFFImageReaderSpi;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import javax.imageio.ImageReader;
import javax.imageio.stream.MemoryCacheImageInputStream;
import org.vlmserve.media.Orientation;
import org.vlmserve.media.RgbPicture;
import org.vlmserve.protocol.error.VlmException;

/** TIFF: the first page. */
final class TiffDecoder {

    private final PictureFile file;

    TiffDecoder(PictureFile file) {
        this.file = file;
    }

    RgbPicture decode() {
        ImageReader reader = null;
        try (MemoryCacheImageInputStream in = new MemoryCacheImageInputStream(new ByteArrayInputStream(file.array()))) {
            reader = new TIFFImageReaderSpi().createReaderInstance();
            reader.setInput(in, false, true);
            file.checkSize(reader.getWidth(0), reader.getHeight(0));
            BufferedImage image = reader.read(0);
            RgbPicture picture = new RgbPicture(image.getWidth(), image.getHeight(), RasterColours.rgb(file, image));
            return Orientation.apply(picture, Orientation.of(file.array(), null));
        } catch (VlmException e) {
            throw e;
        } catch (IOException | RuntimeException e) {
            // The decoder answers broken data with whatever its arithmetic runs into.
            throw file.unreadable(e.toString(), e);
        } finally {
            if (reader != null) {
                reader.dispose();
            }
        }
    }
}
