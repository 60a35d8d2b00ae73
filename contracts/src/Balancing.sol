// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IBalancing, ImbalancePrice} from "./interfaces/IBalancing.sol";
import {IConsortium} from "./interfaces/IConsortium.sol";

/// @title Balancing of the region
contract Balancing is IBalancing {
    IConsortium public immutable consortium;
    uint64 public submissionCount;
    mapping(uint16 masterId => bytes) public encryptionKey;

    constructor(IConsortium consortium_) {
        consortium = consortium_;
    }

    function registerEncryptionKey(bytes calldata key) external {
        uint16 masterId = consortium.activeMasterId(msg.sender);
        if (key.length == 0) revert KeyMissing();
        encryptionKey[masterId] = key;
        emit EncryptionKeyRegistered(masterId, key);
    }

    function submit(uint8 kind, bytes calldata content) external returns (uint64 index) {
        uint16 masterId = consortium.activeMasterId(msg.sender);
        index = submissionCount++;
        emit Submitted(masterId, kind, index, msg.sender, content);
    }

    function publishImbalancePrices(ImbalancePrice[] calldata prices, uint64 asOfBlock) external {
        if (consortium.activeMasterId(msg.sender) != consortium.settlementAgent()) {
            revert NotSettlementAgent(msg.sender);
        }
        if (asOfBlock >= block.number) revert BlockNotYet(asOfBlock);
        for (uint256 i; i < prices.length; ++i) {
            ImbalancePrice calldata price = prices[i];
            emit ImbalancePricePublished(price.period, price.priceTicks, price.regionWh, price.referenceWh, asOfBlock);
        }
    }
}
