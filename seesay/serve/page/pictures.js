/** Pictures that somebody drops, pastes or chooses. */

const LARGEST_PX = 1024;
const LARGE_BYTES = 1 << 20;

/** The first picture in what was dropped or pasted. @param {DataTransfer|null} transfer @returns {File|null} */
export const pictureIn = (transfer) =>
  [...(transfer?.files ?? [])].find((file) => file.type.startsWith("image/") || /\.(hei[cf]|dng|arw|cr2|nef)$/i.test(file.name)) ?? null;

/** Whether something dragged may be a picture; its name is known only once it is dropped. @param {DataTransfer|null} transfer */
export const hasFile = (transfer) => [...(transfer?.types ?? [])].includes("Files");

/**
 * A picture ready to be sent: a large one is made smaller first, since the model looks at a few hundred pixels.
 * One that the browser cannot read goes as it is: the service reads more kinds.
 * @param {File} file
 * @returns {Promise<{image: string, shown: string}>} a data URL, and an address to show
 */
export async function prepare(file) {
  const blob = file.size > LARGE_BYTES ? await shrink(file).catch(() => file) : file;
  return { image: await toDataUrl(blob), shown: URL.createObjectURL(blob) };
}

/** @param {Blob} file @returns {Promise<Blob>} */
async function shrink(file) {
  const picture = await createImageBitmap(file);
  const scale = Math.min(1, LARGEST_PX / Math.max(picture.width, picture.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(picture.width * scale);
  canvas.height = Math.round(picture.height * scale);
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  pen.imageSmoothingQuality = "high";
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no picture"))), "image/jpeg", 0.95);
  });
}

/** @param {Blob} blob @returns {Promise<string>} */
function toDataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).replace(/^data:;/, "data:image/jpeg;").replace(/^data:application\/[^;]*/, "data:image/jpeg"));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}
